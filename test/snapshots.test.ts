import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, EventPublisher } from '../connectors/index.ts';
import { restoreSnapshot, verifySnapshot } from '../runtime/index.ts';
import { environment, MAIN, millrace } from './command.ts';
import { itLong } from './it-long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { stateDigestOf, until } from './process.ts';
import { Scratch } from './scratch.ts';

const ORDERS = 2_000;
const PACKAGE = pathToFileURL(resolve(import.meta.dirname, '../dist/bundle/index.js')).href;

const scratch = new Scratch();
let nats: TestNats;
let live: string;
let snapshot: string;
/** Orders, each with an id of its own. */
let published = 0;
let env: { readonly NATS_URL: string };

async function publish(from: number, count: number): Promise<void> {
  published = from + count;
  const link = await connectNats({ url: nats.url, name: 'snapshots-test' });
  const messages = Array.from({ length: count }, (_, index) => ({
    subject: 'events.acme.x',
    payload: Buffer.from(
      JSON.stringify({
        event_id: `e${from + index}`,
        type: 'order.created',
        time: new Date(Date.UTC(2025, 2, 10) + (from + index) * 1_000).toISOString(),
        order_id: `o${from + index}`,
        customer_id: `c${index % 100}`,
        amount: 100,
        currency: 'EUR',
      }),
    ),
  }));
  await new EventPublisher(link).publishAll(messages);
  await link.close();
}

const restore = (from: string, dataDir: string, ...more: string[]) =>
  millrace(['snapshot', 'restore', from, '--data-dir', dataDir, ...more]);

async function damagedCopy(name: string): Promise<string> {
  const path = join(await scratch.dir(name), 'copy');
  cpSync(snapshot, path, { recursive: true });
  return path;
}

beforeAll(async () => {
  nats = await startTestNats();
  env = { NATS_URL: nats.url };
  live = await scratch.dir('snapshots-live');
});

afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

describe('snapshots of a running service', () => {
  it('taken under load go on, after kill -9 and elsewhere, to the state that never stopped', async () => {
    const service = await scratch.start({ dataDir: live, env });
    await publish(0, ORDERS);
    await service.untilApplied();
    const load = publish(ORDERS, ORDERS);
    const created = await millrace(['snapshot', 'create', '--data-dir', live, '--json']);
    expect(created).toMatchObject({ code: 0, err: '' });
    const manifest = JSON.parse(created.out);
    snapshot = manifest.path;
    expect(manifest.positions).toEqual([
      { stream: 'EVENTS', incarnation: expect.any(String), sequence: expect.any(Number) },
    ]);
    expect(manifest.positions[0].sequence).toBeGreaterThanOrEqual(ORDERS);
    expect(await millrace(['snapshot', 'verify', snapshot])).toMatchObject({ code: 0, err: '' });
    const listed = await millrace(['snapshot', 'ls', '--data-dir', live]);
    expect(listed.out).toMatch(/order-analytics +EVENTS \d+ +\d+ bytes +0 min old/);
    const used = await restore(snapshot, live);
    expect(used).toMatchObject({ code: 1, err: expect.stringContaining('[data_dir_in_use]') });
    await load;
    await service.kill();

    const elsewhere = await scratch.dir('snapshots-elsewhere');
    expect(await restore(snapshot, elsewhere)).toMatchObject({ code: 0, err: '' });
    const restored = await scratch.start({ dataDir: elsewhere, env });
    await restored.untilApplied();
    expect((await restored.terminate()).code).toBe(0);

    const unbroken = await scratch.start({ dataDir: live, env });
    await unbroken.untilApplied();
    expect((await unbroken.terminate()).code).toBe(0);
    const digest = await stateDigestOf(live);
    expect(await stateDigestOf(elsewhere)).toEqual(digest);

    // Over a state that is there: refused; with force it is kept.
    expect(await restore(snapshot, live)).toMatchObject({
      code: 1,
      err: expect.stringContaining('[data_dir_not_empty]'),
    });
    const forced = await restore(snapshot, live, '--force');
    expect(forced.out).toMatch(/g2 is current/);
    expect(forced.out).toMatch(/former state stays in .*g1/);
    const states = join(live, 'state', 'order-analytics');
    expect(readdirSync(states).sort()).toEqual(['CURRENT', 'g1', 'g2']);
    const again = await scratch.start({ dataDir: live, env });
    await again.untilApplied();
    await again.terminate();
    expect(await stateDigestOf(live)).toEqual(digest);
    expect(readdirSync(states)).toContain('g1');
  });

  it('that are damaged or not finished are named, and restore leaves nothing', async () => {
    const flipped = await damagedCopy('snapshots-flipped');
    const file = join(flipped, 'p0', 'data.mdb');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    writeFileSync(file, bytes);
    const longer = await damagedCopy('snapshots-longer');
    appendFileSync(join(longer, 'p0', 'data.mdb'), 'x');
    const outside = await damagedCopy('snapshots-outside');
    const manifest = join(outside, 'manifest.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('p0/data.mdb', '../../data.mdb'));
    const moved = await damagedCopy('snapshots-moved');
    const told = join(moved, 'manifest.json');
    writeFileSync(told, readFileSync(told, 'utf8').replace(/"sequence": \d+/, '"sequence": 1'));
    const unfinished = await damagedCopy('snapshots-unfinished');
    rmSync(join(unfinished, 'manifest.json'));
    const cases = [
      ...[flipped, longer, outside, moved].map((path) => [path, 'snapshot_damaged'] as const),
      [unfinished, 'snapshot_incomplete'] as const,
    ];
    for (const [path, code] of cases) {
      await expect(verifySnapshot(path)).rejects.toMatchObject({ code });
      const dataDir = await scratch.dir('snapshots-into');
      const wanted = {
        from: path,
        dataDir,
        topology: 'order-analytics',
        isForced: false,
        now_ms: Date.now(),
      };
      await expect(restoreSnapshot(wanted)).rejects.toMatchObject({ code });
      const states = join(dataDir, 'state', 'order-analytics');
      expect(existsSync(states) ? readdirSync(states) : []).toEqual([]);
    }
    const named = await millrace(['snapshot', 'verify', flipped]);
    expect(named).toMatchObject({ code: 1, err: expect.stringContaining('[snapshot_damaged]') });
    const listed = await millrace(['snapshot', 'ls', '--in', join(unfinished, '..')]);
    expect(listed.out).toContain('not usable [snapshot_incomplete]');
    const over = await millrace(['snapshot', 'create', '--data-dir', live, '--to', flipped]);
    expect(over.err).toContain('[snapshot_target_not_empty]');
  });

  it('on a full disk are disk_full, and nothing is left of them', async () => {
    const disk = await scratch.dir('snapshots-disk');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'pipe' });
    } catch {
      console.warn('Skipped: no tmpfs can be mounted here.');
      return;
    }
    try {
      const to = join(disk, 'one');
      const full = await millrace(['snapshot', 'create', '--data-dir', live, '--to', to]);
      expect(full).toMatchObject({ code: 1, err: expect.stringContaining('[disk_full]') });
      expect(existsSync(to)).toBe(false);
      const into = await restore(snapshot, disk);
      expect(into).toMatchObject({ code: 1, err: expect.stringContaining('[disk_full]') });
      expect(readdirSync(join(disk, 'state', 'order-analytics'))).toEqual([]);
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});

itLong('a topology of the user has snapshots too', async () => {
  const dir = await scratch.dir('snapshots-topology');
  const module = join(dir, 'orders.mjs');
  await writeFile(
    module,
    `import { jetstream, json, topology, toTable } from ${JSON.stringify(PACKAGE)};
export const orders = topology('orders', (t) => {
  t.source(jetstream('EVENTS', { subjects: ['events.>'] }))
    .pipe(json('parse', { parse: (order) => order }))
    .pipe(toTable('latest', { keyOf: ({ order_id }) => order_id, value: ({ amount }) => amount }));
});
`,
  );
  const [first, second] = [join(dir, 'first'), join(dir, 'second')];
  const placed = (dataDir: string) => ['--topology', `${module}#orders`, '--data-dir', dataDir];
  const digestOf = async (dataDir: string) => (await millrace(['state', 'digest', ...placed(dataDir)])).out;
  const rowsOf = async (dataDir: string): Promise<unknown> => {
    const out = await digestOf(dataDir);
    return out === '' ? undefined : JSON.parse(out).tables?.['latest/rows']?.rows;
  };
  const started: ReturnType<typeof spawn>[] = [];
  const start = async (dataDir: string) => {
    const args = ['start', ...placed(dataDir), '--nats-url', nats.url];
    const child = spawn(process.execPath, [MAIN, ...args], { env: environment({}), stdio: 'ignore' });
    started.push(child);
    const ended = once(child, 'exit');
    await until(
      async () => ((await rowsOf(dataDir)) === published ? true : undefined),
      () => `${published} rows in ${dataDir}`,
      120_000,
    );
    return async (signal: NodeJS.Signals) => {
      child.kill(signal);
      await ended;
    };
  };
  try {
    const end = await start(first);
    const to = join(dir, 'snapshot');
    const created = await millrace(['snapshot', 'create', ...placed(first), '--to', to]);
    expect(created).toMatchObject({ code: 0, err: '' });
    await end('SIGKILL');
    expect((await restore(to, second)).err).toContain('[snapshot_of_other_topology]');
    const restored = await millrace(['snapshot', 'restore', to, ...placed(second)]);
    expect(restored).toMatchObject({ code: 0, err: '' });
    await publish(published, 100);
    for (const dataDir of [first, second]) await (await start(dataDir))('SIGTERM');
    expect(await digestOf(second)).toBe(await digestOf(first));
  } finally {
    for (const child of started) child.kill('SIGKILL');
  }
});
