import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

/** A WebSocket client of RFC 6455, as small as tests need it. */

interface Ended {
  readonly messages: readonly string[];
  /** undefined: the connection ended without a close. */
  readonly code: number | undefined;
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve: (value) => resolve(value) };
}

/** Opens one. `headers` go into the request. */
export function webSocket(address: string, headers: Readonly<Record<string, string>> = {}) {
  const { hostname, port, pathname, search } = new URL(address);
  const socket = connect(Number(port), hostname);
  const asked = {
    ...{ Host: `${hostname}:${port}`, Connection: 'Upgrade', Upgrade: 'websocket' },
    ...{ 'Sec-WebSocket-Key': randomBytes(16).toString('base64'), 'Sec-WebSocket-Version': '13' },
    ...headers,
  };
  const lines = Object.entries(asked).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const [head, pong, closed] = [deferred<string>(), deferred<Buffer>(), deferred<Ended>()];
  const messages: string[] = [];
  const waiting: { readonly at: number; resolve(text: string): void }[] = [];
  let [held, isOpen, code]: [Buffer, boolean, number | undefined] = [Buffer.alloc(0), false, undefined];
  const take = (opcode: number, payload: Buffer): void => {
    if (opcode === 1) {
      messages.push(payload.toString('utf8'));
      for (const { at, resolve } of waiting) if (at < messages.length) resolve(messages[at] as string);
    } else if (opcode === 10) pong.resolve(payload);
    else if (opcode === 8) code = payload.readUInt16BE(0);
  };
  socket.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    if (!isOpen) {
      const end = held.indexOf('\r\n\r\n');
      if (end < 0) return;
      isOpen = true;
      head.resolve(held.toString('latin1', 0, end + 4));
      held = held.subarray(end + 4);
    }
    for (let next = frameOf(held); next !== undefined; next = frameOf(held)) {
      held = held.subarray(next.end);
      take(next.opcode, next.payload);
    }
  });
  socket.on('error', () => undefined);
  socket.on('close', () => closed.resolve({ messages, code }));
  return {
    /** The head of the answer. */
    head: head.promise,
    /** The payload of the first pong. */
    pong: pong.promise,
    closed: closed.promise,
    /** A message by its number, when it is there. */
    message: (at: number): Promise<string> =>
      new Promise((resolve) => {
        if (at < messages.length) resolve(messages[at] as string);
        else waiting.push({ at, resolve });
      }),
    /** Sends a masked frame. */
    send: (opcode: number, payload: Buffer): void => {
      const mask = randomBytes(4);
      const long = payload.length >= 126;
      const start = Buffer.alloc(long ? 4 : 2);
      start[0] = 0x80 | opcode;
      start[1] = 0x80 | (long ? 126 : payload.length);
      if (long) start.writeUInt16BE(payload.length, 2);
      const masked = payload.map((byte, at) => byte ^ (mask[at % 4] as number));
      socket.write(Buffer.concat([start, mask, masked]));
    },
  };
}

/** The first frame of some bytes, where it is whole. */
function frameOf(bytes: Buffer): { opcode: number; payload: Buffer; end: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] as number) & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + length) return undefined;
  return {
    opcode: (bytes[0] as number) & 0x0f,
    payload: bytes.subarray(start, start + length),
    end: start + length,
  };
}
