import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import type { ShopEvent } from '../fixture-shop.ts';
import { ShopState } from '../fixture-shop.ts';
import { END, type Fact, factsOf, returnsShop, START, sharesOf } from './fixture-returns.ts';

const RANGE = { start: new Date(START).toISOString(), end: new Date(END).toISOString() };
const HOUR_MS = 3_600_000;

type Basis = 'event' | 'order';

/** Whether a fact counts for a range. */
function isIn({ type, time_ms, order_ms }: Fact, asked: Asked, from = START, to = END): boolean {
  if (time_ms >= to + followMs(asked)) return false;
  const by = asked.basis === 'order' && type !== 'order.created' ? order_ms : time_ms;
  return by !== undefined && by >= from && by < to;
}

interface Asked {
  readonly basis: Basis;
  readonly follow_days?: number;
  readonly channel?: string;
  readonly sku?: string;
}

function passes(fact: Fact, { channel, sku }: Asked): boolean {
  if (channel !== undefined && fact.values.channel !== channel) return false;
  return sku === undefined || sharesOf(fact, '', sku).length > 0;
}

const filtersOf = ({ channel, sku }: Asked) => ({
  ...(channel === undefined ? {} : { channel }),
  ...(sku === undefined ? {} : { sku }),
});

const ASKED: readonly Asked[] = [
  { basis: 'event' },
  { basis: 'order' },
  { basis: 'event', channel: 'web' },
  { basis: 'order', channel: 'app' },
  { basis: 'event', sku: 's2' },
  { basis: 'order', sku: 's1', channel: 'web' },
  { basis: 'order', follow_days: 10 },
  { basis: 'event', follow_days: 3 },
];

/** Of these and random ones. */
function questions(seed: number): readonly Asked[] {
  const random = new SeededRandom(seed);
  const more = Array.from({ length: 4 }, (): Asked => {
    const [channel, sku] = [random.pick([undefined, 'web', 'shop']), random.pick([undefined, 's3', 's5'])];
    return {
      ...{ basis: random.pick<Basis>(['event', 'order']), follow_days: random.int(1, 60) },
      ...(channel === undefined ? {} : { channel }),
      ...(sku === undefined ? {} : { sku }),
    };
  });
  return [...ASKED, ...more];
}

const followMs = ({ follow_days = 365 }: Asked): number => follow_days * 24 * HOUR_MS;
const followOf = ({ follow_days }: Asked) =>
  follow_days === undefined ? {} : { follow_up: `${follow_days}d` };

const rate = (a: number, b: number): number | null => (b === 0 ? null : a / b);

function impactOf(
  facts: readonly Fact[],
  asked: Asked,
  dimension: string,
  value: string,
  span: [number, number],
) {
  let [orders, gross, discount, refund_events, refunds] = [0, 0, 0, 0, 0];
  for (const fact of facts) {
    if (!isIn(fact, asked, ...span) || !passes(fact, asked)) continue;
    for (const share of sharesOf(fact, dimension, asked.sku)) {
      if (share.value !== value) continue;
      if (fact.type === 'order.created') {
        orders++;
        gross += share.gross;
        discount += share.discount;
      } else if (fact.type === 'refund.issued') {
        refund_events++;
        refunds += share.amount;
      }
    }
  }
  const net = gross - discount - refunds;
  return { orders, gross, discount, refund_events, refunds, net, refund_rate: rate(refunds, gross) };
}

interface Driver {
  readonly value: string | null;
  readonly refunds: number;
  readonly contribution: number;
  readonly compared: { readonly previous: unknown };
}
interface RefundsBody {
  readonly totals: { readonly refunds: number; readonly gross: number; readonly refund_rate: number };
  readonly compared: { readonly previous: unknown };
  readonly drivers: Readonly<
    Record<string, { readonly values_total: number; readonly values: readonly Driver[] }>
  >;
}

describe('the impact of refunds', () => {
  it.each(seedsOf(1, 2, 3))('is what a brute force says, whatever the arrival (seed %i)', async (seed) => {
    const events = returnsShop(seed);
    const facts = factsOf(events);
    const state = await ShopState.of(events);
    const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 37 });
    for (const asked of questions(seed)) {
      const query = {
        ...{ ...RANGE, basis: asked.basis, filters: filtersOf(asked), limit: 1_000, ...followOf(asked) },
        ...{ compare: 'previous_period', drivers: ['channel', 'sku', 'category'] },
      };
      const answer = (await state.ask(state.kinds.refunds, query)).body as unknown as RefundsBody;
      const before: [number, number] = [START - (END - START), START];
      expect(answer.totals).toEqual(impactOf(facts, asked, '', '', [START, END]));
      expect(answer.compared.previous).toEqual(impactOf(facts, asked, '', '', before));
      for (const [driver, { values, values_total }] of Object.entries(answer.drivers)) {
        expect(values_total).toBe(values.length);
        for (const { value, compared, ...found } of values) {
          expect(found).toMatchObject(impactOf(facts, asked, driver, value ?? '', [START, END]));
          expect(compared.previous).toEqual(impactOf(facts, asked, driver, value ?? '', before));
        }
        // Nothing is lost: the parts are the whole.
        expect(values.reduce((sum, { refunds }) => sum + refunds, 0)).toBe(answer.totals.refunds);
        const contributed = values.reduce((sum, { contribution }) => sum + contribution, 0);
        expect(contributed).toBeCloseTo(answer.totals.refund_rate, 10);
      }
      const again = await shuffled.ask(shuffled.kinds.refunds, query);
      expect(JSON.stringify(again.body)).toBe(JSON.stringify(answer));
    }
  });

  it('is the same in parts, each of some orders', async () => {
    const state = await ShopState.of(returnsShop(8));
    const { refunds } = state.kinds;
    const inParts: typeof refunds = {
      ...refunds,
      plan: (context, query) => {
        const plan = refunds.plan(context, query);
        const shares = [0, 1, 2, 3].map((index) => ({ index, of: 4 }));
        const parts = plan.parts.flatMap((part) =>
          shares.map((share) => ({ ...part, work: { ...part.work, share } })),
        );
        expect(parts).toHaveLength(4);
        return { ...plan, parts };
      },
    };
    for (const basis of ['event', 'order']) {
      const query = { ...RANGE, basis, compare: 'previous_year' };
      const { body } = await state.ask(refunds, query);
      expect((await state.ask(inParts, query)).body).toEqual(body);
    }
  });

  it('converts at the rate of each day, and adds up no two currencies', async () => {
    const order = (n: number, currency: string): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time: '2025-03-05T10:00:00Z', order_id: `o${n}` },
      ...{ currency, amount: 1_000, channel: 'web' },
    });
    const state = await ShopState.of([
      ...[order(1, 'EUR'), order(2, 'USD')],
      { event_id: 'r', type: 'refund.issued', time: '2025-03-07T10:00:00Z', order_id: 'o2', amount: 101 },
      {
        ...{ event_id: 'fx', type: 'fx.rate', time: '2025-01-01T00:00:00Z' },
        data: { base: 'USD', quote: 'EUR', rate: '0.5' },
      },
    ]);
    await expect(state.ask(state.kinds.refunds, RANGE)).rejects.toMatchObject({ code: 'currency_required' });
    const { body } = await state.ask(state.kinds.refunds, { ...RANGE, currency: 'EUR' });
    expect(body).toMatchObject({ currency: 'EUR', totals: { gross: 1_500, refunds: 51, net: 1_449 } });
  });

  it('moves with a late event, a new version and no duplicate', async () => {
    const events = returnsShop(9, 60);
    const state = await ShopState.of(events);
    const ask = async () => (await state.ask(state.kinds.refunds, { ...RANGE, basis: 'order' })).body;
    const first = await ask();
    await state.add(events.slice(0, 40));
    expect(await ask()).toEqual(first);
    const time = new Date(START + 5 * HOUR_MS).toISOString();
    const late: ShopEvent[] = [
      { event_id: 'l1', type: 'refund.issued', time, order_id: 'late', amount: 70 },
      {
        event_id: 'l2',
        type: 'order.created',
        time,
        order_id: 'late',
        amount: 100,
        currency: 'EUR',
        channel: 'x',
      },
      {
        ...{ event_id: 'l3', type: 'order.updated', time: new Date(START + 9 * HOUR_MS).toISOString() },
        ...{ order_id: 'late', amount: 90 },
      },
    ];
    const { totals } = first as unknown as RefundsBody;
    for (const event of late) await state.add([event]);
    const last = (await ask()) as unknown as RefundsBody;
    expect(last.totals).toMatchObject({ refunds: totals.refunds + 70, gross: totals.gross + 90 });
    expect(last.drivers.channel?.values.find(({ value }) => value === 'x')).toMatchObject({
      gross: 90,
      refunds: 70,
    });
  });
});

interface Rates {
  readonly orders: number;
  readonly units_sold: number;
  readonly returns: number;
  readonly units_returned: number;
  readonly orders_returned: number;
}
interface ReturnsBody {
  readonly totals: Rates;
  readonly skus: readonly (Rates & { readonly sku: string; readonly unit_return_rate: number })[];
  readonly reasons: readonly { readonly reason: string | null; readonly returns: number }[];
  readonly groups: readonly (Rates & { readonly key: { readonly channel: string | null } })[];
  readonly processing: Readonly<Record<string, number | null>>;
}

function ratesOf(facts: readonly Fact[], asked: Asked, type: string, dimension: string, value: string) {
  let [orders, units_sold, returns, units_returned] = [0, 0, 0, 0];
  const returning = new Set<string>();
  for (const fact of facts) {
    if (!isIn(fact, asked) || !passes(fact, asked)) continue;
    const share = sharesOf(fact, dimension, asked.sku).find((one) => one.value === value);
    if (share === undefined) continue;
    if (fact.type === 'order.created') {
      orders++;
      units_sold += share.units;
    } else if (fact.type === type) {
      returns++;
      units_returned += share.units;
      if (fact.order !== undefined) returning.add(fact.order);
    }
  }
  const unit_return_rate = rate(units_returned, units_sold);
  const order_return_rate = rate(returns, orders);
  return {
    ...{ orders, units_sold, returns, units_returned, orders_returned: returning.size },
    ...{ unit_return_rate, order_return_rate },
  };
}

/** [hours of those received, of those refunded, how many are open]. */
function timesOf(facts: readonly Fact[], asked: Asked): readonly [number[], number[], number] {
  const [received, refunded]: [number[], number[]] = [[], []];
  let open = 0;
  const used = new Set<Fact>();
  const requests = facts.filter(
    (fact) => fact.type === 'return.requested' && isIn(fact, asked) && passes(fact, asked),
  );
  const endOf = (request: Fact, type: string): Fact | undefined =>
    request.order === undefined
      ? undefined
      : facts.find(
          (one) =>
            one.type === type &&
            one.order === request.order &&
            one.time_ms >= request.time_ms &&
            one.time_ms < END + followMs(asked) &&
            !used.has(one),
        );
  const left = requests.filter((request) => {
    const end = endOf(request, 'return.received');
    if (end === undefined) return true;
    used.add(end);
    received.push((end.time_ms - request.time_ms) / HOUR_MS);
    return false;
  });
  for (const request of left) {
    const end = endOf(request, 'refund.issued');
    if (end === undefined) open++;
    else {
      used.add(end);
      refunded.push((end.time_ms - request.time_ms) / HOUR_MS);
    }
  }
  return [received, refunded, open];
}

describe('the summary of returns', () => {
  it.each(seedsOf(4, 5, 6))('is what a brute force says, whatever the arrival (seed %i)', async (seed) => {
    const events = returnsShop(seed);
    const facts = factsOf(events);
    const state = await ShopState.of(events);
    const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 41 });
    for (const [at, asked] of questions(seed).entries()) {
      const event = at % 3 === 0 ? 'return.requested' : 'return.received';
      const query = {
        ...{ ...RANGE, basis: asked.basis, filters: filtersOf(asked), limit: 1_000, ...followOf(asked) },
        ...{ event, min_orders: 5, group_by: ['channel'] },
      };
      const answer = (await state.ask(state.kinds.returns, query)).body as unknown as ReturnsBody;
      expect(answer.totals).toEqual(ratesOf(facts, asked, event, '', ''));
      const skus = Array.from({ length: 6 }, (_, n) => `s${n + 1}`)
        .map((sku) => ({ sku, ...ratesOf(facts, asked, event, 'sku', sku) }))
        .filter(({ orders, unit_return_rate }) => orders >= 5 && unit_return_rate !== null);
      const byName = (rows: readonly { readonly sku: string }[]) =>
        rows.toSorted((a, b) => (a.sku < b.sku ? -1 : 1));
      expect(byName(answer.skus)).toEqual(byName(skus));
      const ranked = answer.skus.map(({ unit_return_rate }) => unit_return_rate);
      expect(ranked).toEqual(ranked.toSorted((a, b) => b - a));
      for (const { reason, returns } of answer.reasons)
        expect(returns).toBe(ratesOf(facts, asked, event, 'reason', reason ?? '').returns);
      expect(answer.reasons.reduce((sum, { returns }) => sum + returns, 0)).toBe(answer.totals.returns);
      for (const { key, ...found } of answer.groups)
        expect(found).toEqual(ratesOf(facts, asked, event, 'channel', key.channel ?? ''));
      const [received, refunded, open] = timesOf(facts, asked);
      const hours = [...received, ...refunded].sort((a, b) => a - b);
      const { mean_hours, ...processing } = answer.processing;
      expect(processing).toEqual({
        ...{ requests: hours.length + open, open },
        ...{ finished_by_receipt: received.length, finished_by_refund: refunded.length },
        p90_hours: hours[Math.ceil(0.9 * hours.length) - 1] ?? null,
      });
      expect(mean_hours ?? 0).toBeCloseTo(
        hours.reduce((sum, one) => sum + one, 0) / Math.max(1, hours.length),
        9,
      );
      const again = await shuffled.ask(shuffled.kinds.returns, query);
      expect(JSON.stringify(again.body)).toBe(JSON.stringify(answer));
    }
  });
});
