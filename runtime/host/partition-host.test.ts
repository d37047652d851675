import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectNats,
  EVENTS_STREAM,
  ensureStream,
  JetStreamPublisher,
  type NatsLink,
  openManager,
} from '../../connectors/index.ts';
import { currentGeneration, openLmdbStore, type TopologyChange } from '../../engine/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { topologyOf } from './fixture-counting.ts';
import { inThread } from './in-thread.ts';
import { inline } from './inline.ts';
import { PartitionHost, type PartitionHostOptions } from './partition-host.ts';
import type { TaskPlace } from './task-place.ts';

const HANG_MS = 60_000;
const NODE = 'records';

interface Wanted {
  readonly partition: string;
  readonly statePath: string;
  readonly filter?: readonly string[];
  readonly stream?: string;
  readonly operator?: string;
  readonly allowTopologyChange?: boolean;
}

interface Placed {
  readonly place: TaskPlace;
  release(): Promise<void>;
}

let nats: TestNats;
let link: NatsLink;
let dataDir = '';
let published = 0;

const inputsOf = ({ filter = [], stream = 'TICKS' }: Wanted) => [{ node: NODE, stream, filter }];

const PLACES: readonly { readonly name: string; readonly placed: (wanted: Wanted) => Placed }[] = [
  {
    name: 'inline',
    placed: (wanted) => {
      const store = openLmdbStore(wanted.statePath);
      const place = inline({
        topology: topologyOf({ name: wanted.operator ?? 'count' }),
        store,
        nats: { url: nats.url },
        partition: wanted.partition,
        inputs: inputsOf(wanted),
        publisher: new JetStreamPublisher(link),
        allowTopologyChange: wanted.allowTopologyChange ?? false,
      });
      return { place, release: () => store.close() };
    },
  },
  {
    name: 'inThread',
    placed: (wanted) => {
      const place = inThread({
        module: new URL('./fixture-counting.ts', import.meta.url).href,
        config: { name: wanted.operator ?? 'count' },
        nats: { url: nats.url },
        partition: wanted.partition,
        statePath: wanted.statePath,
        inputs: inputsOf(wanted),
        allowTopologyChange: wanted.allowTopologyChange ?? false,
        takesDefinitions: false,
      });
      return { place, release: () => Promise.resolve() };
    },
  },
];

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'host-test' });
  const manager = await openManager(link);
  for (const [name, subjects] of [['TICKS', ['ticks.>']] as const, ['TOCKS', ['tocks.>']] as const]) {
    await ensureStream(manager, { ...EVENTS_STREAM, name, subjects });
  }
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-host-'));
});
afterAll(async () => {
  await link.close();
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function publish(subject: string, text = '.'): Promise<number> {
  const payload = Buffer.from(text);
  const id = `host-${published++}`;
  await new JetStreamPublisher(link).publish({ id, subject, headers: {}, payload });
  const manager = await openManager(link);
  return (await manager.streams.info(subject.startsWith('ticks') ? 'TICKS' : 'TOCKS')).state.last_seq;
}

const countsOf = (host: PartitionHost, operator = 'count'): Record<string, number> =>
  host.reader()?.snapshot((table) =>
    Object.fromEntries(
      [...table(`${operator}/counts`).scan()].map(({ key, value }) => [
        Buffer.from(key)
          .toString()
          .replace(/[^a-z.]/g, ''),
        (value[0] as number) >> 1,
      ]),
    ),
  ) ?? {};

describe.each(PLACES)('a partition host, $name', ({ name, placed }) => {
  const opened: { readonly host: PartitionHost; readonly release: () => Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    for (const { host, release } of opened.splice(0)) {
      await host.close();
      await release();
    }
  };
  const start = (wanted: Wanted, more: Partial<PartitionHostOptions> = {}): PartitionHost => {
    const { place, release } = placed(wanted);
    const { partition, statePath } = wanted;
    const host = new PartitionHost({ partition, generation: 1, statePath, place, ...more });
    opened.push({ host, release });
    host.start();
    return host;
  };
  const pathOf = (topology: string, partition: string): string =>
    currentGeneration(join(dataDir, name), topology).partitionPath(partition);
  afterAll(close);

  it('runs two partitions of one stream, and another topology, beside each other, and goes on', async () => {
    const left = { partition: '0', statePath: pathOf('counting', '0'), filter: ['ticks.left.*'] };
    const right = { partition: '1', statePath: pathOf('counting', '1'), filter: ['ticks.right.*'] };
    const other = { partition: '0', statePath: pathOf('other', '0'), stream: 'TOCKS' };
    const hosts = [left, right, other].map((wanted) => start(wanted));
    await publish('ticks.left.a');
    await publish('ticks.right.a');
    const tocks = await publish('tocks.x');
    const ticks = await publish('ticks.left.a');
    const [leftHost, rightHost, otherHost] = hosts as [PartitionHost, PartitionHost, PartitionHost];
    await Promise.all([
      leftHost.committed([['TICKS', ticks]], HANG_MS),
      rightHost.committed([['TICKS', ticks]], HANG_MS),
      otherHost.committed([['TOCKS', tocks]], HANG_MS),
    ]);
    const before = [countsOf(leftHost), countsOf(rightHost), countsOf(otherHost)];
    const [first, second] = before as [Record<string, number>, Record<string, number>];
    expect(Object.keys(first)).toEqual(['ticks.left.a']);
    expect(Object.keys(second)).toEqual(['ticks.right.a']);
    expect(Object.keys(before[2] ?? {})).toEqual(['tocks.x']);
    expect(hosts.map((host) => host.progress()?.partition)).toEqual(['0', '1', '0']);
    await expect.poll(() => leftHost.head(NODE)?.sequence, { timeout: HANG_MS }).toBe(ticks);
    expect(leftHost.connected).toBe(true);
    await expect
      .poll(() => leftHost.metrics.find(({ name: metric }) => metric === 'millrace.task.position')?.value, {
        timeout: HANG_MS,
      })
      .toBe(ticks);
    await close();
    expect(leftHost.reader()).toBeUndefined();

    const again = start(right);
    const last = await publish('ticks.right.a');
    await again.committed([['TICKS', last]], HANG_MS);
    expect(countsOf(again)).toEqual({ 'ticks.right.a': (second['ticks.right.a'] ?? 0) + 1 });
    await expect(again.committed([['TICKS', last + 1]], 1)).rejects.toMatchObject({ code: 'not_caught_up' });
    await close();
  });

  it('says what ended it for good, and lets go on reading', async () => {
    const wanted = { partition: '0', statePath: pathOf('failing', '0'), filter: ['ticks.fail.>'] };
    const states: string[] = [];
    const host = start(wanted, { onChange: (state) => states.push(state) });
    const good = await publish('ticks.fail.a');
    await host.committed([['TICKS', good]], HANG_MS);
    const counted = countsOf(host);
    const bad = await publish('ticks.fail.a', 'bad');
    await expect(host.committed([['TICKS', bad]], HANG_MS)).rejects.toMatchObject({
      code: 'internal',
      // In a thread the batch is larger: any of its records may be the one.
      message: expect.stringMatching(
        /^cannot take it \((record \d+|one of the records \d+ to \d+) of "\w+", subject "ticks\.fail\.a"( and on)?\)$/,
      ) as unknown,
      operator: 'count',
    });
    expect(states).toEqual(['starting', 'running', 'failed']);
    expect(countsOf(host)).toEqual(counted);
    await close();
    const manager = await openManager(link);
    await manager.streams.deleteMessage('TICKS', bad);
  });

  it('refuses a topology that would lose state, and tells what changed where it may', async () => {
    const wanted = { partition: '0', statePath: pathOf('renamed', '0'), filter: ['ticks.rename.>'] };
    const first = start(wanted);
    await first.committed([['TICKS', await publish('ticks.rename.a')]], HANG_MS);
    await close();
    const renamed = { ...wanted, operator: 'tally' };
    const refused = start(renamed);
    await expect.poll(() => refused.status.state, { timeout: HANG_MS }).toBe('failed');
    expect(refused.status.error).toMatchObject({ code: 'topology_changed' });
    await close();
    const told: TopologyChange[] = [];
    const allowed = start(
      { ...renamed, allowTopologyChange: true },
      { onTopologyChange: (changes) => told.push(...changes) },
    );
    await allowed.committed([['TICKS', await publish('ticks.rename.a')]], HANG_MS);
    expect(told.map(({ kind }) => kind)).toEqual(['operator_renamed']);
    await close();
  });
});
