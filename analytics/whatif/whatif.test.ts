import { describe, expect, it } from 'vitest';
import { changesOf } from './scenario.ts';
import type { WhatifTask } from './task.ts';
import { simulateWhatif, type WhatifOutcome } from './whatif.ts';

const flat = (days: number, value: number): number[] => new Array<number>(days).fill(value);

const item = (sku: string, category: string, price: number, units = flat(60, 10)) => ({
  ...{ sku, category, units },
  revenue: units.map((count) => count * price),
});

const TASK: WhatifTask = {
  items: [item('a', 'x', 1_000), item('b', 'x', 2_000), item('c', 'y', 500)],
  media: [],
  changes: [{ dimension: 'sku', value: 'a', price_pct: 10 }],
  horizon_days: 30,
  seed: 1,
};

const ask = (task: Partial<WhatifTask>): WhatifOutcome => simulateWhatif({ ...TASK, ...task });
const codeOf = (task: Partial<WhatifTask>): string => {
  try {
    ask(task);
    return 'none';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

describe('what-if', () => {
  it('takes a published elasticity where prices never moved, and says so', () => {
    const { elasticities, assumptions, change, warnings } = ask({});
    expect(elasticities).toMatchObject([{ sku: 'a', source: 'prior', price: 1_000 }]);
    expect(elasticities[0]?.elasticity.mean).toBeCloseTo(-2.62, 1);
    expect(assumptions.join(' ')).toContain('Bijmolt');
    expect(warnings.join(' ')).toContain('beyond');
    expect(change.margin).toBeNull();
    // 30 days of 10 units at 1,100: 1.1 to the power of -1.62 of what it was, give or take the prior.
    expect(change.revenue.lower).toBeLessThan(300_000 * (1.1 ** -1.62 - 1));
    expect(change.revenue.upper).toBeGreaterThan(300_000 * (1.1 ** -1.62 - 1));
  });

  it('loses what is out of stock, less what others of the category take', () => {
    const changes = [{ dimension: 'sku' as const, value: 'a', availability: 0 }];
    const all = ask({ changes, substitution: 0 });
    expect(all.change.revenue.mean / -300_000).toBeCloseTo(1, 1);
    expect(all.change.units.mean / -300).toBeCloseTo(1, 1);
    // Half of the customers take the one at twice the price.
    const half = ask({ changes, substitution: 0.5, margin_pct: 40 });
    expect(Math.abs(half.change.revenue.mean)).toBeLessThan(3_000);
    expect(half.change.units.mean / -150).toBeCloseTo(1, 1);
    const alone = ask({ changes: [{ dimension: 'category', value: 'y', availability: 0.5 }] });
    expect(alone.change.revenue.mean / -75_000).toBeCloseTo(1, 1);
    expect(alone.assumptions.join(' ')).toContain('nothing else');
  });

  it('removes a channel with its spend, and answers spend that never moved by what is published', () => {
    const media = [
      {
        dimension: 'channel',
        value: 'ads',
        spend: flat(60, 1_000),
        revenue: flat(60, 10_000),
        units: flat(60, 5),
      },
    ];
    const removed = ask({
      media,
      changes: [{ dimension: 'channel', value: 'ads', availability: 0 }],
      ...{ recapture: 0.2, margin_pct: 50 },
    });
    expect(removed.change.revenue.mean).toBeCloseTo(-240_000, -2);
    // Half of the revenue was margin; the spend is saved.
    expect(removed.change.margin?.mean).toBeCloseTo(-120_000 + 30_000, -2);
    const more = ask({ media, changes: [{ dimension: 'channel', value: 'ads', spend_pct: 10 }] });
    expect(more.spend_responses).toMatchObject([{ source: 'prior', daily_spend: 1_000 }]);
    expect(more.change.revenue.lower).toBeGreaterThanOrEqual(0);
    expect(more.change.revenue_pct.mean).toBeLessThan(3);
    expect(more.assumptions.join(' ')).toContain('Sethuraman');
  });

  it('refuses what it knows nothing of', () => {
    expect(codeOf({ changes: [{ dimension: 'sku', value: 'no', price_pct: 1 }] })).toBe('unknown_value');
    expect(codeOf({ items: [], changes: [{ dimension: 'all', price_pct: 1 }] })).toBe('not_enough_data');
    expect(codeOf({ changes: [{ dimension: 'channel', value: 'no', spend_pct: 1 }] })).toBe('unknown_value');
    const media = [
      { dimension: 'channel', value: 'x', spend: flat(60, 0), revenue: flat(60, 9), units: flat(60, 1) },
    ];
    expect(codeOf({ media, changes: [{ dimension: 'channel', value: 'x', spend_pct: 1 }] })).toBe(
      'not_enough_data',
    );
  });
});

describe('a scenario', () => {
  const of = (given: object) =>
    changesOf({ horizon: '30d', seed: 1, ...given } as Parameters<typeof changesOf>[0]);

  it('means changes', () => {
    expect(of({ scenario: 'increase_price_5pct', affected_skus: ['a'] })).toEqual([
      { dimension: 'sku', value: 'a', price_pct: 5 },
    ]);
    expect(of({ scenario: 'discount_7.5pct' })).toEqual([{ dimension: 'all', price_pct: -7.5 }]);
    expect(of({ scenario: 'decrease_spend_20pct', channel: 'ads' })).toEqual([
      { dimension: 'channel', value: 'ads', spend_pct: -20 },
    ]);
    expect(of({ scenario: 'stock_out', affected_skus: ['a'] })).toEqual([
      { dimension: 'sku', value: 'a', availability: 0 },
    ]);
  });

  it('says what it lacks', () => {
    expect(of({})).toMatchObject({ path: 'scenario' });
    expect(of({ scenario: 'stock_out' })).toMatchObject({ path: 'affected_skus' });
    expect(of({ scenario: 'change_spend' })).toMatchObject({ path: 'channel' });
    expect(of({ scenario: 'change_spend', channel: 'ads' })).toMatchObject({ path: 'spend_pct' });
    expect(of({ scenario: 'discount_100pct' })).toMatchObject({ path: 'scenario' });
  });
});
