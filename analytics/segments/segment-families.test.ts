import { beforeAll, describe, expect, it } from 'vitest';
import { attributionMembersOf } from '../attribution/index.ts';
import { ShopState } from '../fixture-shop.ts';
import { askWith, END_MS, meets, membersOf, RANGE, type Rule, shop } from './fixture-segments.ts';

const RULES: Readonly<Record<string, Rule>> = {
  big: { measure: 'spend_gross', gt: 25_000 },
  german: { order: 'first', filters: { country: 'DE' } },
};
const SEED = 8;
const all = shop(SEED);
const isIn = (customer: string, name: string): boolean => meets(customer, RULES[name] as Rule, all);
const counted = all.orders.filter(({ at_ms }) => at_ms >= Date.parse(RANGE.start) && at_ms < END_MS);

let state: ShopState;
let members: readonly object[];
beforeAll(async () => {
  state = await ShopState.of(all.events);
  members = await Promise.all(Object.entries(RULES).map(([name, rule]) => membersOf(state, name, rule)));
});

type Family = Parameters<typeof askWith>[1];
const ask = async <T>(family: Family, query: object): Promise<T> =>
  (await askWith(state, family, { ...RANGE, ...query }, members)).body as T;

describe(`segments in other queries (seed ${SEED})`, () => {
  it('are filters of cohorts, attribution, RFM and lifetime value', async () => {
    const all = shop(8);
    const state = await ShopState.of(all.events);
    const rules: Readonly<Record<string, Rule>> = {
      big: { measure: 'spend_gross', gt: 25_000 },
      german: { order: 'first', filters: { country: 'DE' } },
    };
    const members = await Promise.all(
      Object.entries(rules).map(([name, rule]) => membersOf(state, name, rule)),
    );
    const isIn = (customer: string, name: string): boolean => meets(customer, rules[name] as Rule, all);
    const counted = all.orders.filter(({ at_ms }) => at_ms >= Date.parse(RANGE.start) && at_ms < END_MS);
    const buyers = [...new Set(counted.map(({ customer }) => customer))];
    const filters = { segment: 'big' };
    const big = buyers.filter((customer) => isIn(customer, 'big'));

    const rfm = await askWith(state, 'rfm', { ...RANGE, filters }, members);
    expect(rfm.body).toMatchObject({ customers_total: big.length });

    const isNew = (customer: string): boolean =>
      all.orders.every((order) => order.customer !== customer || order.at_ms >= Date.parse(RANGE.start));
    const ltv = await askWith(state, 'ltv', { ...RANGE, filters }, members);
    expect(ltv.body).toMatchObject({ customers_total: big.filter(isNew).length });

    const attribute = (more: object) => {
      const query = { ...attributionMembersOf().parse({ ...RANGE, ...more }), methods: ['linear'] };
      return askWith(state, 'attribution', query, members);
    };
    const attribution = await attribute({ filters });
    expect(attribution).toMatchObject({
      body: { totals: { conversions: counted.filter(({ customer }) => isIn(customer, 'big')).length } },
    });
    const grouped = await attribute({ group_by: ['segment'] });
    const { results, unattributed, totals } = grouped.body as {
      results: { key: { segment: string | null }; revenue: number }[];
      unattributed: { revenue: number };
      totals: { revenue: number };
    };
    expect(results.reduce((sum, { revenue }) => sum + revenue, unattributed.revenue)).toBe(totals.revenue);
    expect(results.map(({ key }) => key.segment)).toEqual(
      expect.arrayContaining(['big', 'big & german', null]),
    );

    const criteria = {
      type: 'event',
      start: { event: 'order.created', filters },
      mode: 'recurring',
      bucket: 'none',
    };
    const cohorts = await askWith(state, 'retention', { ...RANGE, criteria }, members);
    expect(cohorts.body).toMatchObject({ size: big.length });
    const bySegment = { ...criteria, start: { event: 'order.created' }, group_by: ['segment'] };
    const split = await askWith(state, 'retention', { ...RANGE, criteria: bySegment }, members);
    const sizes = (split.body as { cohorts: { key: { segment: string | null }; size: number }[] }).cohorts;
    expect(Object.fromEntries(sizes.map(({ key, size }) => [String(key.segment), size]))).toEqual({
      big: big.length,
      german: buyers.filter((customer) => isIn(customer, 'german')).length,
      null: buyers.filter((customer) => !isIn(customer, 'big') && !isIn(customer, 'german')).length,
    });
  });

  /** Of each segment the customers count that are in it; null: of those that are in none. */
  const SEGMENTS = ['big', 'german', null];
  interface Keyed {
    readonly key: { readonly segment: string | null };
  }
  const bySegment = <T extends Keyed>(groups: readonly T[]): (T | undefined)[] =>
    SEGMENTS.map((segment) => groups.find(({ key }) => key.segment === segment));
  const grouping = { group_by: ['segment'] };
  const filtered = <T>(family: Family, query: object): Promise<T[]> =>
    Promise.all(SEGMENTS.map((segment) => ask<T>(family, { ...query, filters: { segment } })));

  it('are groups of funnels: each as it is with the filter, and the whole as it is without', async () => {
    type Answer = Readonly<Record<string, unknown>> & { readonly groups: readonly Keyed[] };
    const steps = [{ event: 'visit' }, { event: 'order.created', filters: { channel: 'web' } }];
    const query = { steps, window: '20d', granularity: '1M' };
    const grouped = await ask<Answer>('funnel', { ...query, ...grouping });
    const whole = await ask<Answer>('funnel', query);
    expect(grouped).toMatchObject(whole);
    const each = await filtered<Answer>('funnel', query);
    for (const [at, group] of bySegment(grouped.groups).entries()) {
      const { key: _, ...counts } = group as Keyed;
      expect(each[at]).toMatchObject(counts);
    }
    const visitors = all.visits.filter(({ at_ms }) => at_ms >= Date.parse(RANGE.start) && at_ms < END_MS);
    const big = new Set(visitors.map(({ customer }) => customer).filter((one) => isIn(one, 'big')));
    expect(each[0]).toMatchObject({ entered: big.size });
    // One step alone has the filter: others of the customer pass, too.
    const [visit, order] = steps;
    const ofStep = (at: number) =>
      ask<Answer>('funnel', {
        ...query,
        steps: [visit, order].map((step, own) =>
          own === at
            ? { ...step, filters: { ...(step as { filters?: object }).filters, segment: 'big' } }
            : step,
        ),
      });
    expect(await ofStep(0)).toEqual(each[0]);
    expect(await ofStep(1)).toMatchObject({
      entered: whole.entered,
      converted: each[0]?.converted as number,
    });
    const entities = async (more: object) =>
      (
        await ask<{ total: number }>('funnelEntities', {
          ...state.kinds.funnel.schema.parse({ ...RANGE, ...query, ...more }),
          ...{ step: 2, limit: 9 },
        })
      ).total;
    expect(await entities({ filters: { segment: 'big' } })).toBe(each[0]?.converted);
    const inGroup = (group: string) =>
      ask<{ total: number }>('funnelEntities', {
        ...state.kinds.funnel.schema.parse({ ...RANGE, ...query, ...grouping }),
        ...{ step: 2, limit: 9, group: [group] },
      });
    for (const [at, group] of ['big', 'german', ''].entries())
      expect(await inGroup(group)).toMatchObject({ total: each[at]?.converted as number });
  });

  it('are groups of RFM: each as it is with the filter, with the scores among all', async () => {
    interface Answer {
      readonly customers_total: number;
      readonly segments: readonly object[];
      readonly groups?: readonly (Keyed & Omit<Answer, 'groups'>)[];
    }
    const thresholds = { recency_days: [10, 20, 40, 80], frequency: [1, 2, 3, 4] };
    // Fixed scores do not depend on who else is asked about.
    const query = {
      ...{ scoring: 'fixed', limit: 0 },
      thresholds: { ...thresholds, monetary: [5_000, 20_000, 40_000, 60_000] },
    };
    const grouped = await ask<Answer>('rfm', { ...query, ...grouping });
    const whole = await ask<Answer>('rfm', query);
    expect(grouped).toMatchObject(whole);
    expect(whole.groups).toBeUndefined();
    const each = await filtered<Answer>('rfm', query);
    for (const [at, group] of bySegment(grouped.groups ?? []).entries()) {
      const { key: _, ...counts } = group as Keyed;
      expect(each[at]).toMatchObject(counts);
      expect(each[at]?.segments.length).toBeGreaterThan(0);
    }
    const quintiles = await ask<Answer>('rfm', { limit: 0, ...grouping });
    const sizes = (answer: Answer) =>
      answer.groups?.map(({ key, customers_total }) => [key, customers_total]);
    expect(sizes(quintiles)).toEqual(sizes(grouped));
    const named = await ask<Answer>('rfm', { ...query, ...grouping, filters: { segment: ['big'] } });
    expect(named.customers_total).toBe(each[0]?.customers_total);
    expect(state.kinds.rfm.schema.parse({ ...RANGE, ...grouping }).group_by).toEqual(['segment']);
    expect(() => state.kinds.rfm.schema.parse({ ...RANGE, group_by: ['country'] })).toThrow(/group_by/);
  });

  it('are groups of lifetime value', async () => {
    interface Answer {
      readonly customers_total: number;
      readonly cohorts: readonly (Keyed & { readonly cohort: string })[];
    }
    const query = { model: 'historical', bucket: 'month', periods: 4 };
    const grouped = await ask<Answer>('ltv', { ...query, ...grouping });
    const each = await filtered<Answer>('ltv', query);
    expect(grouped.customers_total).toBe((await ask<Answer>('ltv', query)).customers_total);
    for (const [at, segment] of SEGMENTS.entries()) {
      const own = grouped.cohorts.filter(({ key }) => key.segment === segment);
      expect(own.map(({ key: _, ...cohort }) => cohort)).toEqual(each[at]?.cohorts);
      expect(own.length).toBeGreaterThan(0);
    }
  });

  it.each(['event', 'order'])('are groups of returns, and drivers of refunds, by the %s', async (basis) => {
    interface Returns {
      readonly totals: { readonly orders: number };
      readonly groups: readonly Keyed[];
    }
    const returns = await ask<Returns>('returns', { basis, ...grouping });
    const ofReturns = await filtered<Returns>('returns', { basis });
    for (const [at, group] of bySegment(returns.groups).entries()) {
      const { key: _, ...rates } = group as Keyed;
      expect(rates).toEqual(ofReturns[at]?.totals);
    }
    expect(ofReturns[0]?.totals.orders).toBe(counted.filter(({ customer }) => isIn(customer, 'big')).length);

    interface Refunds {
      readonly totals: object;
      readonly compared: { readonly previous: object };
      readonly drivers: {
        readonly segment: {
          readonly values: readonly { value: string | null; compared: { previous: object } }[];
        };
      };
    }
    const query = { basis, compare: 'previous_period' };
    const refunds = await ask<Refunds>('refunds', { ...query, drivers: ['channel', 'segment'] });
    const ofRefunds = await filtered<Refunds>('refunds', query);
    expect(refunds.totals).toEqual((await ask<Refunds>('refunds', query)).totals);
    for (const [at, segment] of SEGMENTS.entries()) {
      const own = refunds.drivers.segment.values.find(({ value }) => value === segment);
      expect(own).toMatchObject(ofRefunds[at]?.totals ?? {});
      expect(own?.compared.previous).toEqual(ofRefunds[at]?.compared.previous);
    }
  });

  it('are groups of frauds', async () => {
    interface Answer {
      readonly groups: readonly (Keyed & { readonly totals: Readonly<Record<string, number>> })[];
    }
    const orders = all.orders.slice(40, 160);
    const flags = orders.map(({ id, customer, at_ms }) => ({
      ...{ event_id: `f${id}`, type: 'fraud.flagged', order_id: id, customer_id: customer, amount: 5 },
      time: new Date(at_ms + 1).toISOString(),
    }));
    await state.add(flags);
    const query = { granularity: '1M' };
    const grouped = await ask<Answer>('fraud', { ...query, ...grouping });
    const each = await filtered<Answer>('fraud', query);
    for (const [at, group] of bySegment(grouped.groups).entries()) {
      const { key: _, ...counts } = group as Keyed;
      expect(each[at]?.groups[0]).toMatchObject(counts);
    }
    const from_ms = Date.parse(RANGE.start);
    const big = orders.filter(
      ({ customer, at_ms }) => isIn(customer, 'big') && at_ms + 1 >= from_ms && at_ms + 1 < END_MS,
    );
    expect(each[0]?.groups[0]?.totals.fraud_flags).toBe(big.length);
    expect(big.length).toBeGreaterThan(5);
  });
});
