import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that a receiver got. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How a receiver answers: a status, a redirect to somewhere, or never. */
export type Reply = number | { readonly redirect: string } | 'never';

/** A real HTTP server on loopback that keeps what it gets. */
export class HttpReceiver {
  readonly received: Received[] = [];
  /** Asked for each request. */
  reply: (received: Received) => Reply = () => 204;
  readonly #server: Server;
  readonly #hanging = new Set<ServerResponse>();

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const received = { path: request.url ?? '', headers: request.headers, body };
        this.received.push(received);
        this.#answer(response, this.reply(received));
      });
    });
  }

  static async start(): Promise<HttpReceiver> {
    const receiver = new HttpReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  #answer(response: ServerResponse, reply: Reply): void {
    if (reply === 'never') {
      this.#hanging.add(response);
      response.once('close', () => this.#hanging.delete(response));
    } else if (typeof reply === 'number') response.writeHead(reply).end(`status ${reply}`);
    else response.writeHead(302, { Location: reply.redirect }).end();
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Requests that wait for an answer now, in vain. */
  get hanging(): number {
    return this.#hanging.size;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
