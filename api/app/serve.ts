import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { MillraceError } from '../../engine/index.ts';
import type { Settings } from '../../runtime/index.ts';
import { ApiError, PROBLEM_TYPE, problemOf } from '../http/index.ts';
import { Connections } from './connections.ts';
import { upgrade } from './web-socket.ts';

/** How long running requests may take once the server is closing. */
export const DRAIN_MS = 8_000;
/** An upload of gigabytes takes its time. */
const REQUEST_TIMEOUT_MS = 3_600_000;
const HEADERS_TIMEOUT_MS = 30_000;
/** Longer than the idle time of usual load balancers, which else race the close. */
const KEEP_ALIVE_MS = 65_000;
const MAX_HEADER_BYTES = 16_384;
/** Requests of one connection that wait for the one before, where no setting says it. */
const DEFAULT_PIPELINED_MAX_REQUESTS = 64;

export interface RunningServer {
  /** E.g. `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Takes no more connections, waits for running requests at most DRAIN_MS, then cuts them. */
  close(): Promise<void>;
}

/** Where a server listens. */
export type ListenSettings = Pick<Settings, 'host' | 'port'>;

type Fetch = (request: Request, env?: object) => Response | Promise<Response>;

/** Serves an app over HTTP. Throws `listen_failed` when the port cannot be had. */
export async function serve(
  app: { readonly fetch: Fetch },
  settings: ListenSettings,
  connections = new Connections(DEFAULT_PIPELINED_MAX_REQUESTS),
): Promise<RunningServer> {
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    // What is thrown here is a request that cannot be made sense of: its target, its Host header.
    errorHandler: () => problemResponse(new ApiError('malformed_request', 'Send a valid HTTP/1.1 request.')),
  });
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    const begin = (): void => {
      listener(request, response).catch(() => response.destroy());
    };
    if (!connections.take(request.socket, response, begin)) refuseOne(response);
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.on('clientError', refuse);
  server.on('upgrade', (request, socket, head) => {
    upgrade(app.fetch, noUpgrade, request, socket, head).catch(() => socket.destroy());
  });
  await listen(server, settings);
  const { address, port, family } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  return { url: `http://${host}:${port}`, close: () => drain(server) };
}

const noUpgrade = (): Response =>
  problemResponse(
    new ApiError(
      'malformed_request',
      'Send the request without the header Upgrade: this server speaks HTTP/1.1, and WebSocket for streams.',
    ),
  );

function problemResponse(error: ApiError): Response {
  const { problem } = problemOf(error, 'unparsed');
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { 'Content-Type': PROBLEM_TYPE },
  });
}

function listen(server: Server, { host, port }: ListenSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      reject(
        new MillraceError(
          'listen_failed',
          `Cannot listen on ${host}:${port}: ${cause.message}. Free the port or set PORT and HOST to others.`,
          { cause },
        ),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** Answers a request that too many wait before on its connection. */
function refuseOne(response: ServerResponse): void {
  const { problem, headers } = problemOf(
    new ApiError(
      'too_busy',
      'Too many requests wait on this connection for the answer of the one before. Send fewer without waiting.',
      { retryAfter_s: 1 },
    ),
    'pipelined',
  );
  response.writeHead(problem.status, { ...headers, 'Content-Type': PROBLEM_TYPE });
  response.end(JSON.stringify(problem));
}

/** Answers what the HTTP parser refused, for which there is no request. */
function refuse(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const reason =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? new ApiError('headers_too_large', `The headers may have ${MAX_HEADER_BYTES} bytes.`)
      : new ApiError('malformed_request', 'Send a valid HTTP/1.1 request.');
  const { problem } = problemOf(reason, 'unparsed');
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  // Connections that were busy become idle one by one, and would stay open for their next request.
  const sweeper = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearInterval(sweeper);
  clearTimeout(cut);
}
