import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import type { ShopEvent } from '../fixture-shop.ts';
import { ShopState } from '../fixture-shop.ts';
import { METRICS } from '../kpis/index.ts';
import { returnsShop } from '../returns/fixture-returns.ts';
import type { Restatement } from './restatements-body.ts';

const START = Date.UTC(2025, 2, 10);
const END = Date.UTC(2025, 3, 10);
const HOUR_MS = 3_600_000;
const iso = (time_ms: number): string => new Date(time_ms).toISOString();
const RANGE = { start: iso(START), end: iso(END) };
const ADDITIVE = METRICS.filter(({ formula }) => formula.kind === 'sum').map(({ name }) => name);
const SEEDS = seedsOf(11, 12, 13);

interface Body {
  readonly complete_until: string | null;
  readonly restatements_total: number;
  readonly open_total: number;
  readonly restatements: readonly Restatement[];
}
type Values = Readonly<Record<string, number | bigint>>;

interface Asking {
  readonly metrics?: readonly string[];
  readonly [member: string]: unknown;
}

async function restated(shop: ShopState, asked: Asking): Promise<Body> {
  const query = { ...RANGE, metrics: ADDITIVE, ...asked };
  return (await shop.ask(shop.kinds.restatements, query)).body as unknown as Body;
}

/** The values of each bucket and currency by a KPI query, those that are all 0 left out. */
async function known(shop: ShopState, asked: object): Promise<Map<string, Values>> {
  const query = { metrics: ADDITIVE, ...RANGE, group_by: ['currency'], ...asked };
  const { groups } = await shop.ask(shop.kinds.kpis, query);
  const found = new Map<string, Values>();
  for (const { key, buckets } of groups) {
    for (const { time, incomplete: _, partial: __, ...values } of buckets) {
      const isEmpty = Object.values(values).every((value) => value === 0);
      if (!isEmpty) found.set(`${time} ${key.currency ?? ''}`, values as Values);
    }
  }
  return found;
}

const NOTHING = new Map<string, Values>();
const NONE: Values = Object.fromEntries(ADDITIVE.map((name) => [name, 0]));
const minus = (a: Values = NONE, b: Values = NONE): Values =>
  Object.fromEntries(ADDITIVE.map((name) => [name, Number(a[name] ?? 0) - Number(b[name] ?? 0)]));
const isChange = (delta: Values): boolean => Object.values(delta).some((value) => value !== 0);

/** What two KPI queries say has changed. */
function differences(before: Map<string, Values>, after: Map<string, Values>): Map<string, Values> {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return new Map(
    names.flatMap((name): [string, Values][] => {
      const delta = minus(after.get(name), before.get(name));
      return isChange(delta) ? [[name, delta]] : [];
    }),
  );
}

/** Events that come after the report: late ones, edits, refunds and corrections of what was there. */
function laterEvents(seed: number, first: readonly ShopEvent[]): ShopEvent[] {
  const random = new SeededRandom(seed);
  const at = (): string => iso(START + random.int(0, 31 * 24) * HOUR_MS);
  const orders = first.filter(({ type, order_id }) => type === 'order.created' && order_id !== undefined);
  const money = () => ({
    ...{ amount: random.int(1, 9_999), discount: random.int(0, 99) },
    currency: random.pick(['EUR', 'USD']),
  });
  return Array.from({ length: 40 }, (_, n): ShopEvent => {
    const id = `late-${n}`;
    const order = random.pick(orders);
    const { order_id } = order;
    const kind = random.int(0, 5);
    if (kind === 0) return { event_id: id, type: 'order.created', time: at(), order_id: id, ...money() };
    if (kind === 1)
      return { event_id: id, type: 'order.updated', time: iso(END + n * 1_000), order_id, ...money() };
    if (kind === 2)
      return { event_id: id, type: 'refund.issued', time: at(), order_id, amount: random.int(1, 500) };
    if (kind === 3) return { ...order, ...money(), time: at(), supersedes: true, version: n + 2 };
    if (kind === 4)
      return { event_id: id, type: 'event.retracted', time: at(), retracts: [random.pick(first).event_id] };
    return { event_id: id, type: 'payment.succeeded', time: at(), order_id, ...money() };
  });
}

describe.each(SEEDS)('restatements of a random shop, seed %i', (seed) => {
  it('are the difference of two KPI queries, and what each event changed of it', async () => {
    const first = returnsShop(seed, 120);
    const shop = await ShopState.of(first);
    const report = await shop.ask(shop.kinds.kpis, { metrics: ['orders_count'], ...RANGE });
    const since = { query_id: report.query_id };
    const asked = { since, granularity: '1d', timezone: 'Europe/Berlin', limit: 100, causes: 20 };
    const zone = { granularity: '1d', timezone: 'Europe/Berlin' };
    expect(await restated(shop, asked)).toMatchObject({ restatements: [], open_total: 0 });
    const states = [await known(shop, zone)];
    let middle: Body | undefined;
    let as_of: object | undefined;
    // One by one, so that the KPIs themselves say what each event changed.
    for (const event of laterEvents(seed, first)) {
      await shop.add([event]);
      states.push(await known(shop, zone));
      if (states.length !== 20) continue;
      middle = await restated(shop, asked);
      as_of = { query_id: (await shop.ask(shop.kinds.kpis, { metrics: ['visits'], ...RANGE })).query_id };
    }
    expect(middle?.restatements_total).toBeGreaterThan(0);
    expect((await restated(shop, { ...asked, as_of })).restatements).toEqual(middle?.restatements);
    const [before, after] = [await known(shop, { ...zone, as_of: since }), states.at(-1) ?? NOTHING];
    expect(before).toEqual(states[0]);
    const expected = differences(before, after);
    const { restatements, restatements_total, open_total, complete_until } = await restated(shop, asked);
    const newest_ms = Math.max(...first.map(({ time }) => Date.parse(time)));
    expect(complete_until).toBe(iso(newest_ms - 30_000).replace('.000', ''));
    expect(restatements_total).toBe(restatements.length);
    expect(open_total).toBe(0);
    expect(expected.size).toBeGreaterThan(5);
    const named = restatements.map((one) => [`${one.time} ${one.currency ?? ''}`, one] as const);
    expect(new Map(named.map(([name, { delta }]) => [name, delta]))).toEqual(expected);
    const causes = new Map<string, Values[]>();
    for (const [name, { before: then, after: now, causes: listed, causes_total, delta }] of named) {
      expect(then).toEqual(before.get(name) ?? NONE);
      expect(now).toEqual(after.get(name) ?? NONE);
      expect(listed).toHaveLength(causes_total);
      const summed = listed.reduce<Values>((sum, cause) => minus(sum, minus(NONE, cause.delta)), NONE);
      expect(summed).toEqual(delta);
      causes.set(
        name,
        listed.map((cause) => cause.delta),
      );
    }
    const steps = states.slice(1).map((state, at) => differences(states[at] ?? NOTHING, state));
    for (const [name, listed] of causes)
      expect(listed).toEqual(
        steps.flatMap((step): Values[] => {
          const changed = step.get(name);
          return changed === undefined ? [] : [changed];
        }),
      );
  });

  it('are the same whatever order the later events come in, some of them twice', async () => {
    const first = returnsShop(seed, 80);
    const later = laterEvents(seed, first);
    const bodies: unknown[] = [];
    for (const events of [later, new SeededRandom(seed).shuffled([...later, ...later.slice(0, 9)])]) {
      const shop = await ShopState.of(first);
      const { query_id } = await shop.ask(shop.kinds.kpis, { metrics: ['orders_count'], ...RANGE });
      await shop.add(events, 7);
      const { restatements } = await restated(shop, { since: { query_id }, causes: 0, limit: 100 });
      bodies.push(restatements.map(({ causes_total: _, ...rest }) => rest));
    }
    expect(bodies[1]).toEqual(bodies[0]);
  });
});

describe('what counts as published', () => {
  const order = (id: string, time_ms: number): ShopEvent => ({
    ...{ event_id: id, type: 'order.created', time: iso(time_ms), order_id: id },
    ...{ amount: 100, currency: 'EUR' },
  });
  const asked = { metrics: ['revenue_gross'] };

  it('is what event times prove, or what the earlier answer said', async () => {
    const noon = START + 36 * HOUR_MS;
    const shop = await ShopState.of([order('a', START + HOUR_MS), order('b', noon)]);
    const { query_id } = await shop.ask(shop.kinds.kpis, { metrics: ['orders_count'], ...RANGE });
    const since = { query_id };
    await shop.add([order('late', START + 2 * HOUR_MS), order('today', noon + HOUR_MS)]);
    const proven = await restated(shop, { ...asked, since });
    expect(proven).toMatchObject({ restatements_total: 1, open_total: 1 });
    expect(proven.complete_until).toBe(iso(noon - 30_000).replace('.000', ''));
    expect(proven.restatements).toMatchObject([
      { before: { revenue_gross: 100 }, after: { revenue_gross: 200 }, delta: { revenue_gross: 100 } },
    ]);
    const said = await restated(shop, { ...asked, since, complete_until: iso(START + 48 * HOUR_MS) });
    expect(said).toMatchObject({ restatements_total: 2, open_total: 0 });
    const hours = await restated(shop, { ...asked, since, granularity: '1h' });
    expect(hours.restatements.map(({ time }) => time)).toEqual(['2025-03-10T02:00:00Z']);
  });

  it('refuses `since` behind `as_of`, and buckets beyond what an answer holds', async () => {
    const shop = await ShopState.of([order('a', START)]);
    const one = await shop.ask(shop.kinds.kpis, { metrics: ['orders_count'], ...RANGE });
    await shop.add([order('b', START)]);
    const two = await shop.ask(shop.kinds.kpis, { metrics: ['orders_count'], ...RANGE });
    const [since, as_of] = [{ query_id: two.query_id }, { query_id: one.query_id }];
    await expect(restated(shop, { ...asked, since, as_of })).rejects.toMatchObject({
      code: 'position_ahead',
    });
    const wide = { start: '1980-01-01T00:00:00Z', granularity: '1h' };
    await expect(restated(shop, { ...asked, ...wide, since })).rejects.toMatchObject({
      code: 'too_many_points',
    });
  });
});
