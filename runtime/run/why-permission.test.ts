import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { resolveNatsServer } from '../../connectors/index.ts';
import { topology } from '../../engine/index.ts';
import { toJetStream } from '../../operators/index.ts';
import { events, thing, WhyBench } from './fixture-why.ts';

const TIMEOUT_MS = 60_000;

let folder: string;
let child: ReturnType<typeof spawn>;
let address: string;

/** A server whose user "app" may do everything but publish to `secret.>`. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-why-nats-'));
  const { path } = await resolveNatsServer({ progress: () => undefined });
  const users = `[ { user: app, password: p, permissions: { publish: { deny: "secret.>" } } } ]`;
  const text = `host: 127.0.0.1\nport: -1\nports_file_dir: "${folder}"\nlog_file: "${folder}/log"
    jetstream { store_dir: "${folder}/js" }\nauthorization { users: ${users} }`;
  await writeFile(join(folder, 'conf'), text);
  child = spawn(path, ['-c', join(folder, 'conf')], { stdio: 'ignore' });
  const ports = await vi.waitFor(
    async () => {
      const name = (await readdir(folder)).find((entry) => entry.endsWith('.ports'));
      expect(name).toBeDefined();
      return /nats:\/\/([^"]*:\d+)/.exec(await readFile(join(folder, name ?? ''), 'utf8'))?.[1] ?? '';
    },
    { timeout: TIMEOUT_MS },
  );
  address = `nats://app:p@${ports}`;
}, TIMEOUT_MS);
afterAll(async () => {
  child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

it('names the permission to publish that is missing', { timeout: TIMEOUT_MS }, async () => {
  const bench = await WhyBench.on(address);
  const sending = topology('sending', (t) => {
    events(t, 'SENDING').pipe(toJetStream('out', { subject: 'secret.x' }));
  });
  const app = await bench.start(sending, { streams: { SECRET: ['secret.>'] } });
  await bench.publish('sending.x', thing('a'));
  expect(await bench.named(app, 'no_permission')).toMatchObject({
    place: 'outbox, subject secret.x',
    sentence: expect.stringContaining('publish to secret.x'),
  });
  await bench.close();
});
