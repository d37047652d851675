import { existsSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { orderQueries } from '../../analytics/index.ts';
import {
  connectNats,
  EventPublisher,
  ensureStreams,
  type NatsLink,
  openKeyValueStore,
  openManager,
  StreamPayloads,
} from '../../connectors/index.ts';
import { openLmdbStore } from '../../engine/index.ts';
import { itLong } from '../../test/it-long.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { OrderStates } from '../answers/index.ts';
import { DEFINITIONS_BUCKET } from '../definitions/index.ts';
import { type PartitionHost, WHOLE_STREAM } from '../host/index.ts';
import { ORDER_ANALYTICS_MODULE, ORDER_INPUT } from '../orders/index.ts';
import { readSettings } from '../settings/index.ts';
import { Builder } from './builder.ts';
import { type BuildProgress, Generations } from './index.ts';
import { Pace } from './pace.ts';

const HANG_MS = 60_000;
const START = '2025-03-01T00:00:00Z';
const END = '2025-05-01T00:00:00Z';
const STORES = 3;
/** Events that may be in the stream and not in a build. */
const AHEAD_MAX = 600;
/** So few that a build, which steps back for all else on the machine, is soon over on a busy one. */
const FEW = 600;

let nats: TestNats;
let link: NatsLink;
let dataDir = '';
let running: { readonly generations: Generations; readonly states: OrderStates } | undefined;
let published = 0;
let sequence = 0;

beforeEach(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'generations-test' });
  await ensureStreams(link);
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-test-generations-'));
  published = 0;
});
afterEach(async () => {
  await stop();
  await link.close();
  await nats.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function publish(count: number, day = 1): Promise<void> {
  const messages = Array.from({ length: count }, (_, offset) => {
    const index = published + offset;
    const event = {
      event_id: `e${index}`,
      type: 'order.created',
      time: new Date(Date.parse(START) + day * 86_400_000 + index * 1_000).toISOString(),
      order_id: `o${index}`,
      amount: 100,
      currency: 'EUR',
      data: { store: `s${index % STORES}` },
    };
    return { subject: 'events.acme.x', payload: Buffer.from(JSON.stringify(event)) };
  });
  published += count;
  ({ lastSequence: sequence } = await new EventPublisher(link).publishAll(messages));
}

async function start(
  released: (host: PartitionHost, states: OrderStates) => Promise<void> = (host, states) =>
    states.released(host),
): Promise<{ readonly generations: Generations; readonly states: OrderStates }> {
  const payloads = new StreamPayloads({
    link,
    stream: 'EVENTS',
    subjectOf: (tenant) => `events.${tenant}.>`,
  });
  const states: OrderStates = new OrderStates({
    current: () => generations,
    payloads,
    release_after_ms: 0,
  });
  const generations: Generations = new Generations({
    settings: readSettings({ DATA_DIR: dataDir, DEDUP_MEMORY_IDS: '1000' }),
    nats: { url: nats.url },
    link,
    released: (host) => released(host, states),
  });
  generations.start();
  running = { generations, states };
  return running;
}

async function stop(): Promise<void> {
  await running?.states.close();
  await running?.generations.close();
  running = undefined;
}

const settled = ({ host }: Generations): Promise<void> => host.committed([['EVENTS', sequence]], HANG_MS);

/** Orders by store, or in all. */
async function ordersIn(
  state: ReturnType<OrderStates['current']>,
  group_by: readonly string[],
  custom = group_by,
): Promise<unknown> {
  if (state === undefined) throw new Error('there is a state');
  const { kpis } = orderQueries({ custom });
  const query = kpis.schema.parse({ metrics: ['orders_count'], start: START, end: END, group_by });
  const { answer } = await state.queries.run(kpis, query, { scope: 'acme' });
  return (answer as { readonly groups: readonly { readonly totals: object }[] }).groups.map(({ totals }) =>
    Object.values(totals).at(0),
  );
}

const foldersOf = async (): Promise<string[]> =>
  (await readdir(join(dataDir, 'state', 'order-analytics'))).filter((name) => name !== 'CURRENT').sort();

describe('generations', () => {
  it('builds one with another dimension while events come, and puts it in place of the live one', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { generations, states } = await start(async (host, all) => {
      await gate;
      await all.released(host);
    });
    await publish(FEW);
    await settled(generations);
    const before = states.current();
    const told: BuildProgress[] = [];
    let isBuilding = true;
    const traffic = (async () => {
      while (isBuilding) {
        // Never so much that a build on a busy machine, which steps back for it, stays behind for ever.
        if (published - (told.at(-1)?.position ?? 0) <= AHEAD_MAX) await publish(50);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    const built = await generations
      .build({
        options: { customDimensions: ['store'] },
        reason: 'a dimension "store"',
        onProgress: (progress) => told.push(progress),
      })
      .finally(() => {
        isBuilding = false;
      });
    await traffic;
    expect(built).toMatchObject({ generation: 2, replaced: 1 });
    expect(built.different.filter((table) => /^(dedup|fx-rates)/.test(table))).toEqual([]);
    expect([...new Set(told.map(({ phase }) => phase))]).toEqual([
      'reading',
      'comparing',
      'catching_up',
      'changing',
    ]);
    expect(told.at(-1)).toMatchObject({ generation: 2, share: 1, records: built.records });
    expect(built.records).toBeGreaterThanOrEqual(FEW);
    await settled(generations);
    expect(generations.settings.customDimensions).toEqual(['store']);
    const after = states.current();
    expect(after?.generation).toBe(2);
    expect(await ordersIn(after, [])).toEqual([published]);
    const byStore = (await ordersIn(after, ['store'])) as number[];
    expect(byStore.reduce((sum, orders) => sum + orders, 0)).toBe(published);
    expect(byStore).toHaveLength(STORES);

    // What began on the former one goes on there, until nothing reads from it.
    expect(before?.generation).toBe(1);
    const [old] = (await ordersIn(before, [])) as [number];
    expect(old).toBeGreaterThanOrEqual(FEW);
    expect(await foldersOf()).toEqual(['g1', 'g2']);
    open();
    await expect.poll(foldersOf, { timeout: HANG_MS }).toEqual(['g2']);
    await expect(ordersIn(before, [])).rejects.toMatchObject({ code: 'queries_stopped' });

    // A restart with the old settings goes on with the generation's own; a build of the same again is the same.
    await stop();
    const again = await start();
    expect(again.generations.settings.customDimensions).toEqual(['store']);
    await publish(10);
    await settled(again.generations);
    const rebuilt = await again.generations.build({ options: {}, reason: 'backfill' });
    expect(rebuilt).toMatchObject({ generation: 3, replaced: 2, same: true, different: [] });
    await settled(again.generations);
    expect(await ordersIn(again.states.current(), ['store'])).toHaveLength(STORES);
  });

  it('gives back free pages by a copy that catches up, with the same content, while events come', async () => {
    const { generations, states } = await start();
    await publish(FEW);
    await settled(generations);
    const path = (generation: number) => join(dataDir, 'state', 'order-analytics', `g${generation}`, 'p0');
    const store = openLmdbStore(generations.host.statePath);
    const secret = Buffer.alloc(200_000, 'somebody@example.com ');
    store.transaction(() => store.table('odd').put(Buffer.from('k'), secret));
    store.transaction(() => store.table('odd').removeRange({}));
    await store.close();
    // Pages that are free keep what was in them.
    expect(readFileSync(join(path(1), 'data.mdb')).includes('somebody@example.com')).toBe(true);
    const before = statSync(join(path(1), 'data.mdb')).size;
    const cancel = AbortSignal.abort();
    await expect(generations.shrink({ reason: 'x', signal: cancel })).rejects.toMatchObject({
      code: 'build_cancelled',
    });
    const shrinking = generations.shrink({ reason: 'pages' });
    await expect(generations.shrink({ reason: 'two' })).rejects.toMatchObject({ code: 'build_running' });
    await publish(100);
    expect(await shrinking).toMatchObject({ generation: 2, replaced: 1, isActive: true });
    await publish(100);
    await settled(generations);
    expect(await ordersIn(states.current(), [])).toEqual([FEW + 200]);
    await expect.poll(foldersOf, { timeout: HANG_MS }).toEqual(['g2']);
    const file = readFileSync(join(path(2), 'data.mdb'));
    expect([file.includes('somebody@example.com'), file.length < before]).toEqual([false, true]);
    // It is the state that a build from the stream gives.
    expect(await generations.build({ options: {}, reason: 'backfill' })).toMatchObject({ same: true });
    expect(generations.interrupted()).toEqual([]);
  });

  itLong('cancels a build, and removes it', async () => {
    const { generations, states } = await start();
    await publish(500);
    await settled(generations);
    const cancel = new AbortController();
    const build = generations.build({
      options: { customDimensions: ['store'] },
      reason: 'cancelled',
      signal: cancel.signal,
      onProgress: () => cancel.abort(),
    });
    await expect(generations.build({ options: {}, reason: 'two' })).rejects.toMatchObject({
      code: 'build_running',
    });
    await expect(build).rejects.toMatchObject({ code: 'build_cancelled' });
    expect([await foldersOf(), generations.interrupted(), states.current()?.generation]).toEqual([
      ['g1'],
      [],
      1,
    ]);
    await publish(10);
    await settled(generations);
    expect(await ordersIn(states.current(), [])).toEqual([510]);
  });

  it('refuses one that lacks events of the live state, unless that is accepted', async () => {
    const { generations, states } = await start();
    await publish(500);
    await settled(generations);
    await (await openManager(link)).streams.deleteMessage('EVENTS', 100);
    await expect(generations.build({ options: {}, reason: 'backfill' })).rejects.toMatchObject({
      code: 'generation_differs',
      message: expect.stringContaining('dedup/'),
    });
    expect([await foldersOf(), generations.host.generation]).toEqual([['g1'], 1]);
    const options = { options: {}, reason: 'backfill', acceptDifferent: true, keepFormer: true };
    const built = await generations.build(options);
    expect(built).toMatchObject({ generation: 2, same: false });
    await publish(10);
    await settled(generations);
    expect(await ordersIn(states.current(), [])).toEqual([509]);
    // Kept as it was asked, and no interrupted build.
    expect([await foldersOf(), generations.interrupted()]).toEqual([['g1', 'g2'], []]);
  });

  itLong('builds the same where a tenant has forgotten more than the stream, and gives it back', async () => {
    const { generations, states } = await start();
    const bucket = await openKeyValueStore(link, DEFINITIONS_BUCKET);
    const set = async (body: object): Promise<void> => {
      const record = {
        id: 'settings_1',
        kind: 'settings',
        tenant: 'acme',
        name: 'settings',
        created_by: 'x',
      };
      await bucket.delete('def.settings.acme.settings_1');
      await bucket.create('def.settings.acme.settings_1', {
        ...record,
        ...{ created_at_ms: 0, updated_at_ms: 0, body },
      });
    };
    const byWarehouse = () => ordersIn(states.current(), ['warehouse'], []).catch((error) => error.code);
    await publish(50);
    await publish(50, 40);
    await settled(generations);
    expect(await byWarehouse()).toEqual([100]);
    await set({ retention_days: 20 });
    await expect.poll(byWarehouse, { timeout: HANG_MS }).toBe('behind_retention');
    const same = await generations.build({ options: {}, reason: 'backfill' });
    expect(same).toMatchObject({ generation: 2, same: true, different: [] });
    await settled(generations);
    expect(await byWarehouse()).toBe('behind_retention');
    await set({ retention_days: 400 });
    await publish(1, 41);
    await settled(generations);
    expect(await byWarehouse()).toBe('behind_retention');
    const longer = await generations.build({ options: {}, reason: 'backfill' });
    expect(longer).toMatchObject({ generation: 3, different: [] });
    await settled(generations);
    expect(await byWarehouse()).toEqual([101]);
  });

  itLong('goes on in a hurried thread where the patient one was, and stays cancelled', async () => {
    const { generations } = await start();
    await publish(1_000);
    await settled(generations);
    const { settings, host } = generations;
    const builder = new Builder(
      {
        ...{ module: ORDER_ANALYTICS_MODULE, config: settings, nats: { url: nats.url } },
        ...{ partition: WHOLE_STREAM, statePath: join(dataDir, 'hurried'), inputs: [ORDER_INPUT] },
        live: { config: settings, statePath: host.statePath },
        pace: new Pace(1, { applied: () => 0, head: () => 0 }).shared,
      },
      () => undefined,
    );
    await builder.read({ [ORDER_INPUT.node]: 400 });
    expect(builder.applied).toBe(400);
    await builder.hurry();
    await builder.read({ [ORDER_INPUT.node]: 1_000 });
    expect(builder.applied).toBe(1_000);
    expect(await builder.compare()).toEqual({ same: true, different: [] });
    builder.cancel();
    await builder.hurry();
    await publish(10);
    await expect(builder.read({ [ORDER_INPUT.node]: 1_010 })).rejects.toMatchObject({
      code: 'build_cancelled',
    });
    await builder.close();
  });

  itLong('goes on with a build that was interrupted, or discards it', async () => {
    const first = await start();
    await publish(2_000);
    await settled(first.generations);
    const request = { options: { customDimensions: ['store'] }, reason: 'a dimension' };
    const build = first.generations.build(request);
    build.catch(() => undefined);
    await stop();
    await expect(build).rejects.toMatchObject({ code: 'build_cancelled' });
    const second = await start();
    expect(second.generations.interrupted()).toMatchObject([{ generation: 2, ...request }]);
    await settled(second.generations);
    expect(await second.generations.build(request)).toMatchObject({ generation: 2 });
    await settled(second.generations);
    expect(await ordersIn(second.states.current(), ['store'])).toHaveLength(STORES);

    const third = second.generations.build({ ...request, reason: 'another' });
    third.catch(() => undefined);
    await stop();
    const last = await start();
    const [left] = last.generations.interrupted();
    expect(left).toMatchObject({ reason: 'another' });
    await expect(last.generations.discard(1)).rejects.toMatchObject({ code: 'not_a_build' });
    await last.generations.discard(left?.generation ?? 0);
    expect([
      last.generations.interrupted(),
      existsSync(join(dataDir, 'state', 'order-analytics', 'g3')),
    ]).toEqual([[], false]);
  });
});
