import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { webSocket } from '../../test/web-socket.ts';
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

describe('a WebSocket', () => {
  it('gets the data of each server-sent event, then a close', async () => {
    const { messages, code } = await webSocket(urlOf('/events')).closed;
    expect(messages).toEqual(['{"n":1}', 'x'.repeat(70_000)]);
    expect(code).toBe(1_000);
  });

  it('takes a key as a protocol, as browsers give it', async () => {
    const asked = webSocket(urlOf('/who'), { 'Sec-WebSocket-Protocol': 'bearer, mk_secret' });
    expect((await asked.closed).messages).toEqual(['Bearer mk_secret']);
    expect(await asked.head).toContain('Sec-WebSocket-Protocol: bearer\r\n');
  });

  it('ends the stream when the client closes, and answers pings', async () => {
    const before = left;
    const open = webSocket(urlOf('/open'));
    await open.message(0);
    open.send(9, Buffer.from('still there?'));
    expect((await open.pong).toString()).toBe('still there?');
    open.send(8, Buffer.from([3, 232]));
    expect((await open.closed).code).toBe(1_000);
    expect(left).toBe(before + 1);
  });

  it('refuses what is no such stream as the app does, and frames that are too large', async () => {
    expect(await webSocket(urlOf('/plain')).head).toContain('HTTP/1.1 403 ');
    expect(await webSocket(urlOf('/nothing')).head).toContain('HTTP/1.1 404 ');
    const old = webSocket(urlOf('/open'), { 'Sec-WebSocket-Version': '8' });
    expect(await old.head).toContain('HTTP/1.1 426 ');
    const open = webSocket(urlOf('/open'));
    await open.message(0);
    open.send(1, randomBytes(5_000));
    expect((await open.closed).code).toBe(1_009);
  });

  it('does not keep other upgrades from their answer', async () => {
    const socket: Socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write(
      'GET /plain HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n',
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toContain('HTTP/1.1 403 ');
    expect(text).toContain('{"plain":true}');
  });
});
