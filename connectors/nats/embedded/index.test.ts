import { join } from 'node:path';
import { connect } from 'nats';
import { expect, it } from 'vitest';
import { realServer, temporaryFolder } from './fixture-embedded.ts';
import { startEmbeddedNats } from './index.ts';

it('finds a server, runs it on the data folder and prints where', { timeout: 300_000 }, async () => {
  const lines: string[] = [];
  const server = await startEmbeddedNats({
    dataDir: await temporaryFolder(),
    env: { ...process.env, NATS_SERVER_BIN: await realServer() },
    progress: (line) => lines.push(line),
  });
  try {
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^nats-server 2\.\d+\.\d+ from NATS_SERVER_BIN \(/);
    expect(lines[0]).toContain(`at ${server.url}, port ${server.port}`);
    const nc = await connect({ servers: server.url });
    expect(nc.info?.jetstream).toBe(true);
    await nc.close();
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
