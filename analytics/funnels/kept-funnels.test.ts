import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { readSlots } from '../../operators/index.ts';
import { sizes } from '../../test/long.ts';
import { SHOP, type ShopEvent, type ShopOptions, ShopState } from '../fixture-shop.ts';
import { logicalAttempts } from '../kept-attempts/index.ts';
import type { KeptInfo } from '../kept-events/index.ts';
import { BEGIN_MS, funnelShop, randomFunnel } from './fixture-brute-force.ts';
import { adhocFunnelSchemaOf, FUNNEL_DEFINITION, funnelDefinitionSchemaOf } from './index.ts';

const seed = Number(process.env.FUNNEL_SEED ?? 11);
const DAY_MS = 86_400_000;
/** Makes days of the minutes in which the random events lie. */
const STRETCH = 500;

const stretched = (time: string): string =>
  new Date(BEGIN_MS + (Date.parse(time) - BEGIN_MS) * STRETCH).toISOString();

/** Events of one shop over some days. */
const longShop = (of: number): ShopEvent[] =>
  funnelShop(of).map((event) => ({ ...event, time: stretched(event.time) }));

/** A random funnel, as a definition and as what is asked of it. */
function randomStored(random: SeededRandom, isLong = false) {
  const { steps, window, order, entry, ties, exclusions, hold_constant, entity, ...asked } =
    randomFunnel(random);
  const { start, end, granularity, ...others } = asked;
  const body = { steps, order, entry, ties, exclusions, hold_constant, entity };
  const range = isLong ? { start: stretched(start), end: stretched(end) } : { start, end };
  const trend = granularity === undefined ? {} : { granularity: isLong ? '1h' : granularity };
  const span = isLong ? random.pick(['0s', '9h', '30000000ms', '2d']) : window;
  return {
    body: funnelDefinitionSchemaOf().parse({ ...body, window: span }),
    asked: { ...others, ...range, ...trend, group_by: [] },
  };
}

type Stored = ReturnType<typeof randomStored>;

/** What a stored funnel says, and what a scan does. */
async function both(state: ShopState, id: string, { body, asked }: Stored) {
  const query = { ...adhocFunnelSchemaOf().parse({ ...body, ...asked }), explain: true };
  const stored = { ...query, funnel: { id, name: id, revision: 1 } };
  const kept = await state.askChecked(state.kinds.funnel, stored);
  const scan = await state.askChecked(state.kinds.funnel, query);
  const { funnel_id, name, ...numbers } = kept.body;
  expect([funnel_id, name, scan.source]).toEqual([id, id, 'scan']);
  expect(numbers, JSON.stringify({ id, body, asked })).toEqual(scan.body);
  return { ...kept, entered: Number(scan.body.entered) };
}

const define = (state: ShopState, id: string, { body }: Pick<Stored, 'body'>): void => {
  state.driver.control.define(FUNNEL_DEFINITION, SHOP, id, body);
};

function commit(state: ShopState, times: number): void {
  for (let commits = 0; commits < times; commits++) state.driver.commit();
}

/** The slots of stored funnels, and the bytes of each one's attempts. */
function stored(state: ShopState): readonly { readonly info: KeptInfo; readonly attempts: string }[] {
  return state.driver.disk.reader().snapshot((table) =>
    readSlots<KeptInfo>(table('funnels/definitions')).map((info) => ({
      info,
      attempts: Buffer.concat([...logicalAttempts(table('funnels/attempts'), info.id, 0)]).toString(),
    })),
  );
}

/** Commits until the attempts of all entities are kept. */
function finish(state: ShopState): void {
  for (let commits = 0; ; commits++) {
    if (stored(state).every(({ info }) => info.attempts?.built_to === 2 ** 32)) return;
    expect(commits).toBeLessThan(500);
    commit(state, 1);
  }
}

/** Rows of what is kept: of definitions, of entities, and of their attempts. */
function keptRows(state: ShopState): readonly number[] {
  return state.driver.disk
    .reader()
    .snapshot((table) =>
      ['definitions', 'entities', 'attempts'].map((name) => [...table(`funnels/${name}`).scan()].length),
    );
}

const day = (at: number): string => new Date(BEGIN_MS + at * DAY_MS).toISOString();
const simple = funnelDefinitionSchemaOf().parse({
  steps: [{ event: 'visit' }, { event: 'order.created' }],
  window: '30d',
});
const allDays = { start: day(0), end: day(60), group_by: [], attribution: 'first_step', limit: 25 };
const asked = (start: number): Stored => ({ body: simple, asked: { ...allDays, start: day(start) } });
const visit = (customer_id: string, at: number, members: object = {}): ShopEvent => ({
  ...{ event_id: `${customer_id}-${at}`, type: 'visit', time: day(at), customer_id },
  ...members,
});

describe(`stored funnels (seed ${seed})`, () => {
  it('say from what is kept what a scan says, in every mode', async () => {
    const random = new SeededRandom(seed);
    const modes: Record<string, number> = {};
    let entered = 0;
    for (let shop = 0; shop < 2; shop++) {
      const events = funnelShop(seed * 100 + shop, 300);
      const state = await ShopState.of(events.slice(0, 150), { commit_events: 75 });
      const funnels = Array.from({ length: Math.max(55, sizes.random_funnels / 2) }, (_, at) => ({
        id: `f${String(at).padStart(3, '0')}`,
        ...randomStored(random),
      })).slice(0, 100);
      // Some before the other events, some after them.
      for (const one of funnels.slice(0, 25)) define(state, one.id, one);
      await state.add(events.slice(150), 50);
      for (const one of funnels) define(state, one.id, one);
      state.driver.commit();
      for (const one of funnels) {
        const answer = await both(state, one.id, one);
        expect([one.id, answer.source]).toEqual([one.id, 'incremental']);
        expect(answer.explain).toHaveProperty('attempts');
        entered += answer.entered;
        for (const mode of [one.body.order, one.body.entry, one.body.ties, one.body.entity])
          modes[mode] = (modes[mode] ?? 0) + 1;
      }
    }
    expect(entered).toBeGreaterThan(500);
    expect(Object.keys(modes)).toHaveLength(10);
    expect(Math.min(...Object.values(modes))).toBeGreaterThan(5);
  });

  it('are right from their first answer on, while they are built and events come in any order', async () => {
    const random = new SeededRandom(seed + 1);
    const sources: Record<string, number> = {};
    const shares = new Set<number>();
    for (let shop = 0; shop < 2; shop++) {
      const options: ShopOptions = {
        topology: { kept_limits: { build_max_rows: 40 } },
        ...{ shuffle: seed + shop, commit_events: 60 },
      };
      const events = random.shuffled(longShop(seed * 100 + shop));
      const state = await ShopState.of(events.slice(0, 200), options);
      const defined: { id: string; stored: Stored }[] = [];
      for (let from = 200; from < events.length; from += 20) {
        const id = `f${defined.length}`;
        const stored = randomStored(random, true);
        defined.push({ id, stored });
        define(state, id, stored);
        await state.add(events.slice(from, from + 20), 7);
        for (const one of random.shuffled(defined).slice(0, 4)) {
          const { source, backfilling } = await both(state, one.id, one.stored);
          sources[source] = (sources[source] ?? 0) + 1;
          if (backfilling !== undefined) shares.add(backfilling);
        }
      }
      commit(state, 40);
      for (const one of defined) expect((await both(state, one.id, one.stored)).source).toBe('incremental');
    }
    expect(sources.incremental).toBeGreaterThan(15);
    expect(sources.scan).toBeGreaterThan(5);
    expect(Math.max(...shares)).toBeLessThan(1);
    expect(shares.size).toBeGreaterThan(3);
  });

  it('leave nothing when they go, and are built anew when they mean something else', async () => {
    const state = await ShopState.of(longShop(seed), {
      topology: { kept_limits: { drop_max_rows: 2, attempts_max_bytes: 500 } },
    });
    define(state, 'a', { body: simple });
    define(state, 'b', { body: { ...simple, entity: 'session_id' } });
    state.driver.commit();
    expect(keptRows(state)[0]).toBe(2);
    // Another window asks another question of the same events.
    const before = keptRows(state);
    define(state, 'a', { body: { ...simple, window: '1h' } });
    state.driver.commit();
    expect(keptRows(state).slice(0, 2)).toEqual(before.slice(0, 2));
    const wider = { ...asked(0), body: { ...simple, window: '1h' } };
    expect((await both(state, 'a', wider)).source).toBe('incremental');
    // Its attempts are found anew from the events, a piece a commit; until then each entity is asked.
    expect((await both(state, 'a', wider)).explain).toHaveProperty('records');
    // Events that come meanwhile are among those of both ways.
    await state.add(longShop(seed + 1).map((event) => ({ ...event, event_id: `later-${event.event_id}` })));
    finish(state);
    expect((await both(state, 'a', wider)).explain).toHaveProperty('attempts');
    const attempts = stored(state).find(({ info }) => info.name.endsWith('a'))?.attempts;
    define(state, 'c', { body: { ...simple, window: '1h' } });
    commit(state, 10);
    expect(stored(state).at(-1)).toMatchObject({ attempts });
    expect(attempts?.length).toBeGreaterThan(1_000);
    state.driver.control.remove(FUNNEL_DEFINITION, SHOP, 'c');
    const other = { ...asked(0), body: { ...simple, hold_constant: ['country'] } } as Stored;
    const unknown = await both(state, 'a', other);
    expect(unknown.explain).toMatchObject({ not_incremental: 'the pipeline has not taken this funnel' });
    define(state, 'a', other);
    commit(state, 10);
    expect((await both(state, 'a', other)).source).toBe('incremental');
    for (const id of ['a', 'b']) state.driver.control.remove(FUNNEL_DEFINITION, SHOP, id);
    commit(state, 40);
    expect(keptRows(state)).toEqual([0, 0, 0]);
    expect((await both(state, 'a', other)).source).toBe('scan');
  });

  it('are left to scans beyond a limit, and say so', async () => {
    const limits = { entity_max_events: 3, scope_max_definitions: 2, definition_max_bytes: 2_000 };
    const state = await ShopState.of([], { topology: { kept_limits: limits } });
    for (const id of ['a', 'b', 'c']) define(state, id, { body: simple });
    await state.add([visit('c1', 1), visit('c1', 2), visit('c1', 3), visit('c2', 4)]);
    expect((await both(state, 'a', asked(0))).source).toBe('incremental');
    expect((await both(state, 'c', asked(0))).explain).toMatchObject({
      not_incremental: 'the pipeline has not taken this funnel',
    });
    await state.add([visit('c1', 5)]);
    const full = await both(state, 'a', asked(0));
    expect(full.explain).toMatchObject({
      not_incremental: 'an entity has more events than are kept of one',
    });
    expect(state.driver.counter('millrace.kept_events.full')).toBe(2);
    commit(state, 2);
    expect(keptRows(state)).toEqual([2, 0, 0]);
    // The next one takes the place of one that goes, and another meaning begins anew.
    state.driver.control.remove(FUNNEL_DEFINITION, SHOP, 'b');
    const rare = { ...asked(0), body: { ...simple, steps: [{ event: 'cart' }, { event: 'visit' }] } };
    define(state, 'c', rare as Stored);
    commit(state, 2);
    expect((await both(state, 'c', rare as Stored)).explain).toMatchObject({
      not_incremental: 'an entity has more events than are kept of one',
    });
    const carts = Array.from({ length: 200 }, (_, at) => visit(`n${at}`, 6, { type: 'cart' }));
    const ofCarts = { ...rare, body: { ...simple, steps: [{ event: 'cart' }, { event: 'x' }] } } as Stored;
    define(state, 'a', ofCarts);
    commit(state, 2);
    expect((await both(state, 'a', ofCarts)).source).toBe('incremental');
    await state.add(carts);
    expect((await both(state, 'a', ofCarts)).explain).toMatchObject({
      not_incremental: 'there are more events than are kept of one funnel',
    });
  });

  it('forget what the log forgets', async () => {
    const state = await ShopState.of([], { topology: { retention_days: 10 } });
    define(state, 'a', { body: simple });
    const order = (id: string, at: number): ShopEvent =>
      visit(id, at, { type: 'order.created', order_id: id, amount: 1, currency: 'EUR', event_id: `o-${id}` });
    await state.add([visit('c1', 0), order('c1', 1), visit('c2', 2), visit('c2', 11), order('c2', 11.5)]);
    expect((await both(state, 'a', asked(1))).entered).toBe(1);
    await state.add([visit('c3', 20)]);
    for (const start of [10, 11, 11.2, 15]) await both(state, 'a', asked(start));
    await expect(both(state, 'a', asked(0))).rejects.toMatchObject({ code: 'behind_retention' });
    // An order that was known before the cut is edited.
    await state.add([{ ...order('c2', 11.6), event_id: 'again', type: 'order.updated', customer_id: 'c4' }]);
    for (const start of [10, 11, 15]) await both(state, 'a', asked(start));
    expect((await both(state, 'a', asked(10))).explain).toHaveProperty('attempts');
  });
});
