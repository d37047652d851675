import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, nkeys } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { connectNats, ensureStreams, openManager, streamFacts } from '../client/index.ts';
import { EventPublisher } from '../publish/index.ts';
import { realServer, temporaryFolder } from './fixture-embedded.ts';
import { startNatsServer } from './server.ts';
import { startEmbeddedNats } from './start.ts';
import { publisherInbox } from './users.ts';

it('finds a server, runs it on the data folder and prints where', { timeout: 300_000 }, async () => {
  const lines: string[] = [];
  const server = await startEmbeddedNats({
    dataDir: await temporaryFolder(),
    env: { ...process.env, NATS_SERVER_BIN: await realServer() },
    progress: (line) => lines.push(line),
  });
  try {
    expect(lines.at(-1)).toMatch(/^nats-server 2\.\d+\.\d+ from NATS_SERVER_BIN \(/);
    expect(lines.at(-1)).toContain(`at ${server.url}, port ${server.port}`);
    await expect(connect({ servers: server.url, reconnect: false })).rejects.toThrow(/uthorization/);
    const link = await connectNats({ ...server.server, name: 'test' });
    expect(link.connection.info?.jetstream).toBe(true);
    await link.close();
  } finally {
    await server.stop();
  }
});

it('passes on why there is no server', async () => {
  const dataDir = await temporaryFolder();
  const env = { NATS_SERVER_BIN: join(dataDir, 'missing') };
  await expect(startEmbeddedNats({ dataDir, env, progress: () => undefined })).rejects.toMatchObject({
    code: 'nats_server_bin_unusable',
  });
});

it('takes over the streams of a server that let everybody in', { timeout: 120_000 }, async () => {
  const dataDir = await temporaryFolder();
  const binary = await realServer();
  const old = await startNatsServer({ binary, storeDir: join(dataDir, 'nats') });
  const link = await connectNats({ url: old.url, name: 'test' });
  await ensureStreams(link);
  const payload = Buffer.from('x');
  await new EventPublisher(link).publishAll([{ subject: 'events.t.k', payload }]);
  const { incarnation } = await streamFacts(await openManager(link), 'EVENTS');
  await link.close();
  await old.stop();
  const env = { ...process.env, NATS_SERVER_BIN: binary };
  for (let start = 0; start < 2; start++) {
    const server = await startEmbeddedNats({ dataDir, env, progress: () => undefined });
    const again = await connectNats({ ...server.server, name: 'test' });
    const facts = await streamFacts(await openManager(again), 'EVENTS');
    expect(facts).toMatchObject({ incarnation, lastSequence: 1 });
    await again.close();
    await server.stop();
  }
});

it('lets publishers of their own in, who do not hear each other', { timeout: 120_000 }, async () => {
  const dataDir = await temporaryFolder();
  const folder = join(dataDir, 'nats-credentials');
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'publisher-shop.nk');
  await writeFile(file, nkeys.createUser().getSeed(), { mode: 0o600 });
  const env = { ...process.env, NATS_SERVER_BIN: await realServer() };
  const server = await startEmbeddedNats({ dataDir, env, progress: () => undefined });
  onTestFinished(() => server.stop());
  // A file that the start made is taken as it is by clients that trim nothing.
  expect(() => nkeys.fromSeed(readFileSync(server.credentials.publisher))).not.toThrow();
  const shop = await connectNats({
    url: server.url,
    credentials: { kind: 'nkey', file },
    inboxPrefix: publisherInbox('shop'),
    name: 'test',
  });
  onTestFinished(() => shop.close());
  const service = await connectNats({ ...server.server, name: 'test' });
  onTestFinished(() => service.close());
  await ensureStreams(service);
  const payload = Buffer.from('x');
  const { lastSequence } = await new EventPublisher(shop).publishAll([{ subject: 'events.t.k', payload }]);
  expect(lastSequence).toBe(1);
  const heard = await new Promise((resolve) => {
    shop.connection.subscribe(`${publisherInbox()}.>`, { callback: (error) => resolve(error) });
  });
  expect(String(heard)).toContain('ermissions Violation');
});
