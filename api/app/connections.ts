import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type MetricSample, Metrics } from '../../engine/index.ts';

/** Requests of one connection: one is being answered, others wait for it. */
interface Connection {
  readonly waiting: (() => void)[];
}

/**
 * Answers the requests of a connection one after the other, as HTTP/1.1 sends the answers: who sends thousands without
 * waiting has one at work. Those that wait when the connection closes are never begun.
 */
export class Connections {
  readonly #waiting_max: number;
  readonly #open = new WeakMap<Socket, Connection>();
  readonly #metrics = new Metrics();
  readonly #refused = this.#metrics.counter(
    'millrace.http.pipelined.refused',
    'Requests that too many waited before on their connection',
  );
  readonly #dropped = this.#metrics.counter(
    'millrace.http.pipelined.dropped',
    'Requests that were not begun, for their client had left',
  );
  #waiting = 0;

  constructor(pipelined_max_requests: number) {
    this.#waiting_max = pipelined_max_requests;
    const help = 'Requests that wait for the one before on their connection';
    this.#metrics.gauge('millrace.http.pipelined', help, () => this.#waiting);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /** Begins a request when it is its turn; false when too many of its connection wait already. */
  take(socket: Socket, response: ServerResponse, begin: () => void): boolean {
    const connection = this.#open.get(socket);
    if (connection === undefined) {
      const opened: Connection = { waiting: [] };
      this.#open.set(socket, opened);
      this.#follow(socket, opened, response, begin);
      return true;
    }
    if (connection.waiting.length >= this.#waiting_max) {
      this.#refused.add();
      return false;
    }
    connection.waiting.push(() => this.#follow(socket, connection, response, begin));
    this.#waiting++;
    // Whoever has left is answered nothing; told once, when the first one waits.
    if (connection.waiting.length === 1) socket.once('close', () => this.#drop(connection));
    return true;
  }

  #follow(socket: Socket, connection: Connection, response: ServerResponse, begin: () => void): void {
    response.once('close', () => {
      const next = connection.waiting.shift();
      if (next === undefined) {
        this.#open.delete(socket);
        return;
      }
      this.#waiting--;
      if (socket.destroyed) this.#drop(connection, 1);
      else next();
    });
    begin();
  }

  #drop(connection: Connection, more = 0): void {
    const { length } = connection.waiting;
    connection.waiting.length = 0;
    this.#waiting -= length;
    this.#dropped.add(length + more);
  }
}
