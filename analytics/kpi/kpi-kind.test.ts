import { describe, expect, it } from 'vitest';
import type { TestRow } from './fixture-rows.ts';
import { cubeOf, KpiStore } from './fixture-store.ts';
import type { KpiQueryInput } from './schema.ts';

const DAY = { start: '2025-08-01T00:00:00Z', end: '2025-08-02T00:00:00Z' };
const at = (time: string): number => Date.parse(time);

function order(time: string, amount: number, more: Partial<TestRow> = {}): TestRow {
  return { time_ms: at(time), sequence: 1, marks: ['orders'], currency: 'GBP', amount, ...more };
}

async function totals(rows: readonly TestRow[], query: Partial<KpiQueryInput> & { metrics: string[] }) {
  return (await KpiStore.of(rows)).ask({ ...DAY, ...query } as KpiQueryInput).groups[0]?.totals;
}

describe('metrics', () => {
  it('are what the contract says, by hand', async () => {
    const item = (quantity: number) => ({ sku: 'a', category: 'x', quantity, unit_price: 1 });
    const rows: TestRow[] = [
      order('2025-08-01T10:00:00Z', 1_000, { discount: 100, tax: 50, shipping: 5, items: [item(3)] }),
      order('2025-08-01T11:00:00Z', 2_000, { marks: ['orders', 'customers_new'], customer: 7 }),
      order('2025-08-01T12:00:00Z', 501, { customer: 8 }),
      {
        time_ms: at('2025-08-01T13:00:00Z'),
        sequence: 2,
        marks: ['refund', 'orders_refunded'],
        currency: 'GBP',
        amount: 700,
      },
      {
        time_ms: at('2025-08-01T13:00:00Z'),
        sequence: 2,
        marks: ['orders_cancelled'],
        currency: 'GBP',
        value: 501,
      },
      { time_ms: at('2025-08-01T14:00:00Z'), sequence: 3, marks: ['shipped_in'], value: 108_000_000 },
      {
        time_ms: at('2025-08-01T14:00:00Z'),
        sequence: 3,
        marks: ['visits', 'sessions', 'sessions_with_cart'],
      },
      { time_ms: at('2025-08-01T15:00:00Z'), sequence: 3, marks: ['responded'], value: 90_500 },
    ];
    const metrics = [
      ...['orders_count', 'revenue', 'revenue_net', 'aov', 'refund_rate', 'units_sold', 'revenue_cancelled'],
      ...['refunded_orders_rate', 'days_to_ship_avg', 'visits', 'tax_total', 'conversion_rate'],
      ...['cart_abandonment_rate', 'customers_active', 'customers_new', 'time_to_first_response'],
    ];
    expect(await totals(rows, { metrics })).toEqual({
      orders_count: 3,
      revenue: 3_501,
      revenue_net: 2_701,
      aov: 3_401 / 3,
      refund_rate: 700 / 3_501,
      units_sold: 3,
      revenue_cancelled: 501,
      refunded_orders_rate: 1 / 3,
      days_to_ship_avg: 1.25,
      visits: 1,
      tax_total: 50,
      conversion_rate: 3,
      cart_abandonment_rate: 1,
      customers_active: 2,
      customers_new: 1,
      time_to_first_response: 90.5,
    });
  });

  it('are read of a cube where it has them', async () => {
    const store = await KpiStore.of([order('2025-08-01T10:00:00Z', 5)], { cubes: [cubeOf([])] });
    expect(store.ask({ ...DAY, metrics: ['revenue'] })).toMatchObject({
      source: 'rollup:total@1d',
      groups: [{ totals: { revenue: 5 } }],
    });
  });
});
