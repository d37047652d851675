import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from '../fixture-api.ts';
import { type RunningServer, serve } from './serve.ts';

let test: TestApi;
let server: RunningServer;
let key: string;

beforeEach(async () => {
  test = await startTestApi({ PORT: '0' });
  key = await test.key('admin');
  server = await serve(test.api.app, test.ports.settings);
});
afterEach(async () => {
  await server.close();
  await test.close();
});

/** Sends bytes as they are; returns the whole answer. */
async function raw(request: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  socket.write(request);
  const timer = setTimeout(() => socket.destroy(), 60_000);
  await once(socket, 'close');
  clearTimeout(timer);
  return Buffer.concat(chunks).toString();
}

it('serves over HTTP, chunked bodies too', async () => {
  const health = await fetch(`${server.url}/v1/order-analytics/health`);
  expect(health.status).toBe(200);
  const lines = ['e1', 'e2'].map((id) => `${JSON.stringify(orderEvent(id))}\n`);
  const response = await fetch(`${server.url}/v1/order-analytics/ingest`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' },
    body: new ReadableStream({
      start(controller) {
        for (const line of lines) controller.enqueue(Buffer.from(line));
        controller.close();
      },
    }),
    duplex: 'half',
  } as RequestInit);
  expect(response.status).toBe(202);
  expect(await response.json()).toMatchObject({ accepted: 2 });
});

it('answers what is no HTTP with problems', async () => {
  expect(await raw('NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*"code":"malformed_request"/s);
  const huge = await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`);
  expect(huge).toMatch(/^HTTP\/1\.1 431 .*"code":"headers_too_large"/s);
  const close = 'Connection: close\r\n\r\n';
  expect(await raw(`GET / HTTP/1.1\r\nHost: a b\r\n${close}`)).toMatch(/^HTTP\/1\.1 400 /);
  expect(await raw(`GET /%zz%ff HTTP/1.1\r\nHost: x\r\n${close}`)).toMatch(/^HTTP\/1\.1 404 /);
  expect(await raw(`BREW / HTTP/1.1\r\nHost: x\r\n${close}`)).toMatch(/^HTTP\/1\.1 4\d\d /);
  expect(await raw(`TRACE / HTTP/1.1\r\nHost: x\r\n${close}`)).toMatch(/^HTTP\/1\.1 405 /);
});

it('refuses a body by its declared length without reading it', async () => {
  const head = `POST /v1/order-analytics/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n`;
  const answer = await raw(`${head}Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n[`);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
});

it('waits for running requests when it closes, and takes no more', async () => {
  let release = (): void => {};
  test.stream.gate = new Promise((resolve) => {
    release = resolve;
  });
  const request = (): Promise<Response> =>
    fetch(`${server.url}/v1/order-analytics/ingest`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(orderEvent('e1')),
    });
  const running = request();
  await vi.waitFor(() => expect(test.stream.waiting).toBe(1), PATIENTLY);
  const closing = server.close();
  await expect(request()).rejects.toThrow();
  release();
  expect((await running).status).toBe(202);
  await closing;
});

it('says which port cannot be had', async () => {
  const port = Number(new URL(server.url).port);
  await expect(serve(test.api.app, { ...test.ports.settings, port })).rejects.toMatchObject({
    code: 'listen_failed',
  });
});
