import { STATUS_CODES } from 'node:http';
import { WebSocket } from 'ws';

interface Ended {
  readonly messages: readonly string[];
  /** undefined: the connection ended without a close. */
  readonly code: number | undefined;
}

/** Of RFC 6455: the connection ended without a close. */
const ABNORMAL = 1_006;

/** Opens a WebSocket. `headers` go into the request; protocols are among them, as a browser would send them. */
export function webSocket(address: string, headers: Readonly<Record<string, string>> = {}) {
  const { 'Sec-WebSocket-Protocol': protocols, ...others } = headers;
  const wished = protocols?.split(',').map((name) => name.trim()) ?? [];
  const client = new WebSocket(address, wished, { headers: others });
  const messages: string[] = [];
  const waiting: { readonly at: number; resolve(text: string): void }[] = [];
  client.on('error', () => undefined);
  client.on('message', (data) => {
    messages.push(String(data));
    for (const { at, resolve } of waiting) if (at < messages.length) resolve(messages[at] as string);
  });
  return {
    client,
    /** The first line of the answer. */
    head: new Promise<string>((resolve) => {
      const lineOf = (status = 0): string => `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`;
      client.once('upgrade', ({ statusCode }) => resolve(lineOf(statusCode)));
      client.once('unexpected-response', (request, { statusCode }) => {
        resolve(lineOf(statusCode));
        request.destroy();
      });
    }),
    /** The payload of the first pong. */
    pong: new Promise<Buffer>((resolve) => client.once('pong', resolve)),
    closed: new Promise<Ended>((resolve) =>
      client.once('close', (code) => resolve({ messages, code: code === ABNORMAL ? undefined : code })),
    ),
    /** A message by its number, when it is there. */
    message: (at: number): Promise<string> =>
      new Promise((resolve) => {
        if (at < messages.length) resolve(messages[at] as string);
        else waiting.push({ at, resolve });
      }),
  };
}
