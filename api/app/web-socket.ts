import { createHash } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

/** Of RFC 6455. */
const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TOKEN_PROTOCOL = 'bearer';
const OPCODE = { text: 1, close: 8, ping: 9, pong: 10 } as const;
/** What a client sends is read only to answer pings and closes; a larger frame ends the connection, bytes. */
const CLIENT_FRAME_MAX_BYTES = 4_096;
/** Frames that wait for a client that takes nothing; then nothing more is made for it, bytes. */
const WAITING_MAX_BYTES = 65_536;
/** How long a client may take to close its side, ms. */
const LINGER_MS = 2_000;
const CLOSE = { normal: 1_000, protocol: 1_002, tooLarge: 1_009, internal: 1_011 } as const;

type Fetch = (request: Request, env?: object) => Response | Promise<Response>;

/**
 * Answers a request to upgrade its connection. What the app answers with server-sent events, a WebSocket gets as
 * messages: the data of each event, then a close. Every other answer is sent as it is. A browser, which cannot set
 * headers, gives its key as a protocol: `new WebSocket(url, ['bearer', key])`.
 */
export async function upgrade(
  fetch: Fetch,
  incoming: IncomingMessage,
  socket: Duplex,
  /** What the client has sent behind its request. */
  head: Buffer,
): Promise<void> {
  if (head.length > 0) socket.unshift(head);
  const gone = new AbortController();
  // Without a listener an error of a connection would end the process.
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  const response = await fetch(requestOf(incoming, gone.signal), { incoming });
  const key = incoming.headers['sec-websocket-key'];
  const isSocket = incoming.headers.upgrade?.toLowerCase() === 'websocket';
  const { body } = response;
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (!isSocket || typeof key !== 'string' || !isStream || response.status !== 200 || body === null)
    return await plainAnswer(response, socket);
  if (incoming.headers['sec-websocket-version'] !== '13') {
    await body.cancel();
    const head = 'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\r\n';
    endSoon(socket, Buffer.from(head));
    return;
  }
  const accept = createHash('sha1')
    .update(key + KEY_SUFFIX)
    .digest('base64');
  const protocol = protocolsOf(incoming).includes(TOKEN_PROTOCOL)
    ? `Sec-WebSocket-Protocol: ${TOKEN_PROTOCOL}\r\n`
    : '';
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${accept}\r\n${protocol}\r\n`,
  );
  await forward(body, socket, gone);
}

const protocolsOf = ({ headers }: IncomingMessage): readonly string[] =>
  (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...['connection', 'upgrade', 'keep-alive', 'transfer-encoding', 'content-length', 'http2-settings'],
]);

function requestOf(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const name = incoming.rawHeaders[at] as string;
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.append(name, incoming.rawHeaders[at + 1] as string);
  }
  const [scheme, token] = protocolsOf(incoming);
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
  endSoon(
    socket,
    Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`), body]),
  );
}

/** A client that does not close its side is not waited for. */
function endSoon(socket: Duplex, last: Buffer): void {
  socket.end(last);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

async function forward(
  body: ReadableStream<Uint8Array>,
  socket: Duplex,
  gone: AbortController,
): Promise<void> {
  const reader = body.getReader();
  gone.signal.addEventListener('abort', () => void reader.cancel().catch(() => undefined));
  const end = (code: number): void => {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    if (socket.writable) endSoon(socket, frame(OPCODE.close, payload));
    gone.abort();
  };
  readClient(socket, end);
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || gone.signal.aborted) break;
      const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) sendBlock(socket, block);
      if (socket.writableLength > WAITING_MAX_BYTES) await drained(socket, gone.signal);
    }
    end(CLOSE.normal);
  } catch {
    // The stream has said in the log what failed.
    end(CLOSE.internal);
  }
}

/** The data of an event as a message; a sign of life as a ping. */
function sendBlock(socket: Duplex, block: string): void {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => line.slice('data: '.length))
    .join('\n');
  if (data !== '') socket.write(frame(OPCODE.text, Buffer.from(data)));
  else if (block.startsWith(':')) socket.write(frame(OPCODE.ping, Buffer.alloc(0)));
}

function drained(socket: Duplex, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve);
    signal.addEventListener('abort', () => resolve());
  });
}

/** One unmasked frame that is whole. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

/** Answers the pings and the close of a client; its messages mean nothing here. */
function readClient(socket: Duplex, end: (code: number) => void): void {
  let held: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 2) {
      const [first = 0, second = 0] = held;
      const short = second & 0x7f;
      if ((second & 0x80) === 0) return end(CLOSE.protocol);
      if (short === 127) return end(CLOSE.tooLarge);
      const lengthBytes = short === 126 ? 2 : 0;
      if (held.length < 2 + lengthBytes) return;
      const length = lengthBytes === 0 ? short : held.readUInt16BE(2);
      if (length > CLIENT_FRAME_MAX_BYTES) return end(CLOSE.tooLarge);
      const start = 2 + lengthBytes + 4;
      if (held.length < start + length) return;
      const mask = held.subarray(start - 4, start);
      const payload = Buffer.from(held.subarray(start, start + length));
      for (let at = 0; at < length; at++) (payload[at] as number) ^= mask[at % 4] as number;
      held = held.subarray(start + length);
      const opcode = first & 0x0f;
      if (opcode === OPCODE.close) return end(CLOSE.normal);
      if (opcode === OPCODE.ping && socket.writable) socket.write(frame(OPCODE.pong, payload));
    }
  });
}
