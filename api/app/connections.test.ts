import { connect } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { Connections, type RunningServer, serve } from './index.ts';

let server: RunningServer | undefined;
afterEach(() => server?.close());

const SETTINGS = { host: '127.0.0.1', port: 0 };
const PATIENTLY = { timeout: 20_000, interval: 5 };

/** A server that answers a request when told, with its path. */
async function held(waiting_max: number) {
  const connections = new Connections(waiting_max);
  const begun: string[] = [];
  const gates: (() => void)[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    begun.push(pathname);
    await new Promise<void>((resolve) => gates.push(resolve));
    return new Response(pathname);
  };
  server = await serve({ fetch }, SETTINGS, connections);
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const answer = { text: '' };
  socket.on('data', (bytes) => (answer.text += String(bytes)));
  const send = (paths: readonly string[]) =>
    socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
  const metric = (name: string): number => connections.samples().find((one) => one.name === name)?.value ?? 0;
  return { begun, gates, socket, answer, send, metric };
}

it('begins the requests of a connection one after the other, and answers them in order', async () => {
  const { begun, gates, answer, send, socket, metric } = await held(8);
  send(['/1', '/2', '/3']);
  for (const expected of [['/1'], ['/1', '/2'], ['/1', '/2', '/3']]) {
    await vi.waitFor(() => expect(gates).toHaveLength(1), PATIENTLY);
    expect(begun).toEqual(expected);
    expect(metric('millrace.http.pipelined')).toBe(3 - expected.length);
    gates.pop()?.();
    await vi.waitFor(() => expect(answer.text).toContain(`${expected.at(-1)}`), PATIENTLY);
  }
  expect(answer.text.match(/\/\d$|\/\d(?=HTTP)/gm)).toEqual(['/1', '/2', '/3']);
  socket.destroy();
});

it('drops those that wait when the client leaves, and refuses what is too many', async () => {
  const { begun, gates, socket, send, metric } = await held(2);
  send(['/1', '/2', '/3', '/4', '/5']);
  await vi.waitFor(() => expect(metric('millrace.http.pipelined.refused')).toBe(2), PATIENTLY);
  socket.destroy();
  await vi.waitFor(() => expect(metric('millrace.http.pipelined.dropped')).toBe(2), PATIENTLY);
  for (const open of gates) open();
  expect([begun, metric('millrace.http.pipelined')]).toEqual([['/1'], 0]);
});
