import { join } from 'node:path';
import { connect } from 'nats';
import { expect, it } from 'vitest';
import { connectNats } from '../client/index.ts';
import { realServer, temporaryFolder } from './fixture-embedded.ts';
import { startEmbeddedNats } from './start.ts';

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
