import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { freePort } from '../../../test/ports.ts';
import { runningTime } from '../../../test/running-time.ts';
import { until } from '../embedded/fixture-embedded.ts';
import { connectNats, type LinkStatus, type NatsLink } from './connection.ts';

const cleanUps: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function start(options?: { port: number; storeDir?: string }): Promise<TestNats> {
  const nats = await startTestNats(options);
  cleanUps.push(() => nats.stop());
  return nats;
}

async function connect(url: string, onStatus?: (status: LinkStatus) => void): Promise<NatsLink> {
  const link = await connectNats({ url, name: 'test', ...(onStatus === undefined ? {} : { onStatus }) });
  cleanUps.push(() => link.close());
  return link;
}

describe('the first connect', () => {
  it('fails in bounded time with a sentence that names the URL, without its password', async () => {
    const port = await freePort();
    const took_ms = runningTime();
    const failing = connectNats({
      url: `nats://u:secret@127.0.0.1:${port}`,
      name: 'test',
      connect_timeout_ms: 500,
    });
    await expect(failing).rejects.toMatchObject({
      code: 'nats_unreachable',
      retriable: true,
      message: expect.stringContaining(`nats://127.0.0.1:${port}`),
    });
    await expect(failing).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
    expect(took_ms()).toBeLessThan(2_000);
  });

  it('fails in bounded time when something listens that says nothing', async () => {
    const mute = createServer(() => undefined);
    const port = await new Promise<number>((resolve) => {
      mute.listen(0, '127.0.0.1', () => {
        const address = mute.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    cleanUps.push(async () => void mute.close());
    await expect(
      connectNats({ url: `127.0.0.1:${port}`, name: 'test', connect_timeout_ms: 500 }),
    ).rejects.toMatchObject({ code: 'nats_unreachable' });
  });

  it('waits for a server that starts a little later', async () => {
    const port = await freePort();
    const connecting = connect(`nats://127.0.0.1:${port}`);
    await sleep(300);
    await start({ port });
    expect((await connecting).connected).toBe(true);
  });

  it.each(['', 'http://localhost', 'nats://', 'nats://a:b:c:d'])('refuses the URL %o', async (url) => {
    await expect(connectNats({ url, name: 'test' })).rejects.toMatchObject({ code: 'nats_url_invalid' });
  });
});

describe('a link', () => {
  it('says when the server goes and comes back, and is usable again', async () => {
    const nats = await startTestNats();
    const { port, storeDir } = nats;
    const seen: LinkStatus[] = [];
    const link = await connect(nats.url, (status) => seen.push(status));
    const more: LinkStatus[] = [];
    const forget = link.onStatus((status) => more.push(status));
    await nats.kill();
    await until('the link notices', () => !link.connected);
    forget();
    await start({ port, storeDir });
    await until('the link is back', () => link.connected);
    await link.connection.flush();
    await link.close();
    expect(seen).toEqual(['disconnected', 'connected', 'closed']);
    expect(more).toEqual(['disconnected']);
    expect(link.connected).toBe(false);
  });

  it('closes in bounded time while there is no server', async () => {
    const nats = await start();
    const link = await connect(nats.url);
    await nats.kill();
    await until('the link notices', () => !link.connected);
    const took_ms = runningTime();
    await link.close();
    await link.close();
    expect(took_ms()).toBeLessThan(3_000);
  });
});
