import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

const TOKEN_PROTOCOL = 'bearer';
/** What a client sends is read only to answer pings and closes; a larger message ends the connection, bytes. */
const CLIENT_MESSAGE_MAX_BYTES = 4_096;
/** How long a client may take to close its side, ms. */
const LINGER_MS = 2_000;
/** The one version that is spoken. */
const VERSION = '13';
const CLOSE = { normal: 1_000, internal: 1_011 } as const;

type Fetch = (request: Request, env?: object) => Response | Promise<Response>;

const sockets = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  // What is sent is small and seldom: a context of compression for each client costs more than it saves.
  perMessageDeflate: false,
  maxPayload: CLIENT_MESSAGE_MAX_BYTES,
  handleProtocols: (protocols) => (protocols.has(TOKEN_PROTOCOL) ? TOKEN_PROTOCOL : false),
});

/**
 * Answers a request to upgrade its connection. What the app answers with server-sent events, a WebSocket gets as
 * messages: the data of each event, then a close. Every other answer is sent as it is. A browser, which cannot set
 * headers, gives its key as a protocol: `new WebSocket(url, ['bearer', key])`.
 */
export async function upgrade(
  fetch: Fetch,
  /** For a request that can only be answered without an upgrade. */
  refusal: () => Response,
  incoming: IncomingMessage,
  socket: Duplex,
  /** What the client has sent behind its request. */
  head: Buffer,
): Promise<void> {
  const gone = new AbortController();
  // Without a listener an error of a connection would end the process.
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  const isSocket = incoming.headers.upgrade?.toLowerCase() === 'websocket';
  // The bodies of others are not read here: Java's client asks for HTTP/2 so with every method.
  if (incoming.method !== 'GET') return await plainAnswer(refusal(), socket);
  const response = await fetch(requestOf(incoming, gone.signal), { incoming });
  const { body } = response;
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!isSocket && isStream) {
    await body?.cancel();
    return await plainAnswer(refusal(), socket);
  }
  if (!isStream || !isSocket || response.status !== 200 || body === null)
    return await plainAnswer(response, socket);
  if (incoming.headers['sec-websocket-version'] !== VERSION) {
    await body.cancel();
    // RFC 6455, section 4.4.
    const headers = { 'Sec-WebSocket-Version': VERSION };
    return await plainAnswer(new Response(null, { status: 426, headers }), socket);
  }
  const opened = handshake(incoming, socket, head);
  // It has said to the client what is wrong.
  if (opened === undefined) return await body.cancel();
  await forward(body, opened);
}

/** Opens a WebSocket; undefined where the client's request for one is malformed. */
function handshake(incoming: IncomingMessage, socket: Duplex, head: Buffer): WebSocket | undefined {
  let opened: WebSocket | undefined;
  sockets.handleUpgrade(incoming, socket, head, (client) => {
    opened = client;
  });
  return opened;
}

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...['connection', 'upgrade', 'keep-alive', 'transfer-encoding', 'content-length', 'http2-settings'],
]);

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const name = incoming.rawHeaders[at] as string;
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.append(name, incoming.rawHeaders[at + 1] as string);
  }
  const protocols = incoming.headers['sec-websocket-protocol'] ?? '';
  const [scheme, token] = protocols.split(',').map((name) => name.trim());
  if (scheme === TOKEN_PROTOCOL && token !== undefined && !headers.has('authorization'))
    headers.set('authorization', `Bearer ${token}`);
  const url = new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? 'localhost'}`);
  return new Request(url, { method: 'GET', headers, signal });
}

async function plainAnswer(response: Response, socket: Duplex): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const headers = [...response.headers].filter(([name]) => !HOP_BY_HOP.has(name));
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.write(`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}\r\n${head}`);
  const end = Buffer.from(`Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`);
  socket.end(Buffer.concat([end, body]));
  // A client that does not close its side is not waited for.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** Sends the data of each event as a message, the next one when the client has taken the one before. */
async function forward(body: ReadableStream<Uint8Array>, client: WebSocket): Promise<void> {
  const reader = body.getReader();
  // An error is followed by the close.
  client.on('error', () => undefined);
  client.on('close', () => void reader.cancel().catch(() => undefined));
  // A client that has left while the connection was opened.
  if (client.readyState !== client.OPEN) await reader.cancel();
  const end = (code: number): void => {
    client.close(code);
    setTimeout(() => client.terminate(), LINGER_MS).unref();
  };
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) await sendBlock(client, block);
    }
    end(CLOSE.normal);
  } catch {
    // The stream has said in the log what failed.
    end(CLOSE.internal);
  }
}

/** The data of an event as a message; a sign of life as a ping. Resolves when it has left, or the client has. */
function sendBlock(client: WebSocket, block: string): Promise<void> {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length))
    .join('\n');
  return new Promise((resolve) => {
    if (client.readyState !== client.OPEN) resolve();
    else if (data !== '') client.send(data, () => resolve());
    else if (block.startsWith(':')) client.ping('', false, () => resolve());
    else resolve();
  });
}
