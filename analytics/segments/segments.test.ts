import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { ShopState } from '../fixture-shop.ts';
import {
  askWith,
  bare,
  CUSTOMERS,
  END,
  END_MS,
  everybody,
  meets,
  membersOf,
  RANGE,
  type Rule,
  randomRule,
  shop,
} from './fixture-segments.ts';

describe('segments', () => {
  it.each(seedsOf(1, 2, 3))(
    'have the customers of a brute force, whatever the arrival (seed %i)',
    async (seed) => {
      const all = shop(seed);
      const state = await ShopState.of(all.events);
      const shuffled = await ShopState.of(all.events, { shuffle: seed, commit_events: 41 });
      const random = new SeededRandom(seed);
      let some = 0;
      for (let n = 0; n < 40; n++) {
        const rule = randomRule(random, 4);
        const query = { end: END, rule, limit: 1_000 };
        const { body } = await state.ask(state.kinds.segment, query);
        const expected = everybody(all).filter((customer) => meets(customer, rule, all)).length;
        expect([JSON.stringify(rule), body.customers_total]).toEqual([JSON.stringify(rule), expected]);
        if (expected > 0 && expected < CUSTOMERS - 5) some++;
        if (n % 8 === 0) {
          const again = await shuffled.ask(shuffled.kinds.segment, query);
          expect(bare(again.body)).toBe(bare(body));
        }
      }
      expect(some).toBeGreaterThan(15);
    },
  );

  it('are filters and groups of KPI queries', async () => {
    const all = shop(7);
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
    const totals = (is: (customer: string) => boolean) => {
      const own = counted.filter(({ customer }) => is(customer));
      return {
        orders_count: own.length,
        revenue_gross: own.reduce((sum, { amount }) => sum + amount, 0),
        customers_active: new Set(own.map(({ customer }) => customer)).size,
      };
    };
    const query = { ...RANGE, metrics: ['orders_count', 'revenue_gross', 'customers_active'] };
    const ask = async (more: object) =>
      (await askWith(state, 'kpis', { ...query, ...more }, members)) as unknown as {
        groups: { key: Readonly<Record<string, string | null>>; totals: object }[];
      };
    const filtered = async (segment: unknown) => (await ask({ filters: { segment } })).groups[0]?.totals;
    expect(await filtered('big')).toMatchObject(totals((customer) => isIn(customer, 'big')));
    expect(await filtered('segment_german')).toMatchObject(totals((customer) => isIn(customer, 'german')));
    expect(await filtered(['big', 'german'])).toMatchObject(
      totals((customer) => isIn(customer, 'big') || isIn(customer, 'german')),
    );
    expect(await filtered({ not: 'big' })).toMatchObject(totals((customer) => !isIn(customer, 'big')));
    expect(await filtered(null)).toMatchObject(
      totals((customer) => !isIn(customer, 'big') && !isIn(customer, 'german')),
    );
    const { groups } = await ask({ group_by: ['segment'] });
    const bySegment = Object.fromEntries(groups.map(({ key, totals: own }) => [String(key.segment), own]));
    expect(bySegment.big).toMatchObject(totals((customer) => isIn(customer, 'big')));
    expect(bySegment.german).toMatchObject(totals((customer) => isIn(customer, 'german')));
    expect(bySegment.null).toMatchObject(
      totals((customer) => !isIn(customer, 'big') && !isIn(customer, 'german')),
    );
    const both = await ask({ group_by: ['country', 'segment'] });
    expect(
      both.groups.find(({ key }) => key.segment === 'big' && key.country === 'GB')?.totals,
    ).toMatchObject({
      orders_count: counted.filter(({ customer, country }) => country === 'GB' && isIn(customer, 'big'))
        .length,
    });
    // Both periods are about the same customers.
    const compared = await ask({ filters: { segment: 'big' }, compare: 'previous_period' });
    expect(compared.groups[0]?.totals).toMatchObject({
      orders_count: totals((one) => isIn(one, 'big')).orders_count,
    });
    await expect(ask({ filters: { segment: 'nobody' } })).rejects.toMatchObject({ code: 'unknown_segment' });
  });

  it('name each fault of a rule at its place', async () => {
    const state = await ShopState.of([]);
    const { schema } = state.kinds.segment;
    const refused = (rule: unknown): string => {
      try {
        schema.parse({ end: END, rule });
        return 'taken';
      } catch (error) {
        const [issue] = (error as { issues: { path: PropertyKey[] }[] }).issues;
        return issue?.path.join('.') ?? '';
      }
    };
    expect(refused({ and: [] })).toBe('rule.and');
    expect(
      refused({
        or: [
          { measure: 'orders', gt: 1 },
          { measure: 'shoes', gt: 1 },
        ],
      }),
    ).toBe('rule.or.1.measure');
    expect(refused({ not: { measure: 'orders' } })).toBe('rule.not');
    expect(refused({ measure: 'last_order', lt: 'yesterday' })).toBe('rule.lt');
    expect(refused({ event: 'visit', within: '3 days' })).toBe('rule.within');
    expect(refused({ order: 'last', filters: { planet: 'x' } })).toBe('rule.filters');
    expect(refused({ shoes: 1 })).toBe('rule');
    expect(refused({ and: [{ measure: 'orders', gt: 1 }], not: {} })).toBe('rule.and');
    expect(refused({ and: Array.from({ length: 65 }, () => ({ measure: 'orders', gt: 1 })) })).toBe('rule');
    expect(refused({ measure: 'orders', gte: 1, lt: 5 })).toBe('taken');
  });
});
