import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const PAGE_ROWS = 100;

/** A real HTTP API on loopback that gives a list page by page, can keep a page back, and can be away. */
export class PagedApi {
  /** JSON of each element. */
  rows: readonly string[];
  /** Requests from this row on are not answered; asked for one, `isHeld` is true. */
  heldFrom = Number.POSITIVE_INFINITY;
  isHeld = false;
  #server: Server | undefined;
  #port = 0;

  constructor(rows: readonly string[]) {
    this.rows = rows;
  }

  /** At the same port each time. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const page = new URL(request.url ?? '', 'http://x').searchParams.get('page');
      this.#answer(response, Number(page ?? 0));
    });
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  #answer(response: ServerResponse, from: number): void {
    if (from >= this.heldFrom) {
      this.isHeld = true;
      return;
    }
    const end = from + PAGE_ROWS;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    const next = end < this.rows.length ? end : null;
    response.end(`{"orders":[${this.rows.slice(from, end).join(',')}],"next":${next}}`);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/orders`;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }
}
