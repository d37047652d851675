import { connect } from 'node:net';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { webSocket } from '../../test/web-socket.ts';
import { PATIENTLY } from '../fixture-api.ts';
import { type RunningServer, serve } from './serve.ts';

let server: RunningServer;
let left = 0;

beforeAll(async () => {
  const app = new Hono();
  const events = (lines: readonly string[], isOpen: boolean): Response =>
    new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          for (const line of lines) controller.enqueue(new TextEncoder().encode(line));
          if (!isOpen) controller.close();
        },
        cancel: () => void left++,
      }),
      { headers: { 'content-type': 'text/event-stream; charset=utf-8' } },
    );
  const large = 'x'.repeat(70_000);
  app.get('/events', () =>
    events(
      ['retry: 1\n\n', 'id: 1\nevent: a\nda', 'ta: {"n":1}\n\n: alive\n\n', `data: ${large}\n\n`],
      false,
    ),
  );
  app.get('/open', () => events(['data: hello\n\n'], true));
  app.get('/who', ({ req }) => events([`data: ${req.header('authorization')}\n\n`], false));
  app.get('/plain', ({ json }) => json({ plain: true }, 403));
  server = await serve(app, { host: '127.0.0.1', port: 0 });
});
afterAll(() => server.close());

const urlOf = (path: string): string => server.url.replace('http', 'ws') + path;

const WISH = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';

/** What a server says to a request, until it closes. */
async function answerTo(request: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write(request);
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

describe('a WebSocket', () => {
  it('gets the data of each server-sent event, then a close', async () => {
    const { messages, code } = await webSocket(urlOf('/events')).closed;
    expect(messages).toEqual(['{"n":1}', 'x'.repeat(70_000)]);
    expect(code).toBe(1_000);
  });

  it('takes a key as a protocol, as browsers give it', async () => {
    const asked = webSocket(urlOf('/who'), { 'Sec-WebSocket-Protocol': 'bearer, mk_secret' });
    expect((await asked.closed).messages).toEqual(['Bearer mk_secret']);
    expect(asked.client.protocol).toBe('bearer');
  });

  it('ends the stream when the client closes, and answers pings', async () => {
    const before = left;
    const open = webSocket(urlOf('/open'));
    await open.message(0);
    open.client.ping('still there?');
    expect((await open.pong).toString()).toBe('still there?');
    open.client.close(1_000);
    expect((await open.closed).code).toBe(1_000);
    await vi.waitFor(() => expect(left).toBe(before + 1), PATIENTLY);
  });

  it('refuses what is no such stream as the app does, and frames that are too large', async () => {
    expect(await webSocket(urlOf('/plain')).head).toContain('HTTP/1.1 403 ');
    expect(await webSocket(urlOf('/nothing')).head).toContain('HTTP/1.1 404 ');
    const before = left;
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    const old = await answerTo(
      `GET /open HTTP/1.1\r\nHost: x\r\n${WISH}${key}Sec-WebSocket-Version: 8\r\n\r\n`,
    );
    expect(old).toMatch(/^HTTP\/1.1 426 /);
    expect(old.toLowerCase()).toContain('sec-websocket-version: 13\r\n');
    await vi.waitFor(() => expect(left).toBe(before + 1), PATIENTLY);
    const open = webSocket(urlOf('/open'));
    await open.message(0);
    open.client.send('x'.repeat(5_000));
    expect((await open.closed).code).toBe(1_009);
  });

  it('does not keep other upgrades from their answer', async () => {
    const text = await answerTo(
      'GET /plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n',
    );
    expect(text).toContain('HTTP/1.1 403 ');
    expect(text).toContain('{"plain":true}');
    const asking = 'Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n';
    // No other method is answered as if it were a GET, and a stream has no end to wait for.
    const posted = await answerTo(`POST /plain HTTP/1.1\r\n${asking}Content-Length: 2\r\n\r\n{}`);
    const streamed = await answerTo(`GET /open HTTP/1.1\r\n${asking}\r\n`);
    for (const refused of [posted, streamed]) {
      expect(refused).toMatch(/^HTTP\/1.1 400 /);
      expect(refused).toContain('Send the request without the header Upgrade');
    }
  });
});
