import { describe, expect, it } from 'vitest';
import { type ShopEvent, ShopState } from './fixture-shop.ts';

const order = (n: number, time: string): ShopEvent => ({
  ...{ event_id: `e${n}`, type: 'order.created', time, order_id: `o${n}`, customer_id: 'c' },
  ...{ amount: 100, currency: 'EUR' },
});

describe('a range that the log has forgotten', () => {
  it('is refused by every family over customers, and what is kept is answered', async () => {
    const state = await ShopState.of([order(1, '2025-01-01T00:00:00Z'), order(2, '2025-03-01T12:00:00Z')], {
      ...{ topology: { retention_days: 10 }, commit_events: 1 },
    });
    state.driver.commit();
    const { rfm, ltv, retention, attribution } = state.kinds;
    const old = { start: '2025-01-01T00:00:00Z', end: '2025-03-02T00:00:00Z' };
    const kept = { ...old, start: '2025-02-25T00:00:00Z' };
    const credit = { methods: ['linear'], group_by: ['campaign'], touch_types: ['visit'], filters: {} };
    const days = (lookback: string) => ({
      ...credit,
      lookback,
      half_life: '7d',
      value: 'revenue_net',
      limit: 9,
    });
    const behind = { code: 'behind_retention' };
    const recurring = { criteria: { mode: 'recurring' }, periods: 2 };
    await expect(state.ask(rfm, old)).rejects.toMatchObject(behind);
    await expect(state.ask(ltv, { ...old, model: 'historical' })).rejects.toMatchObject(behind);
    await expect(state.ask(retention, old)).rejects.toMatchObject(behind);
    await expect(state.ask(retention, { ...old, ...recurring })).rejects.toMatchObject(behind);
    await expect(state.ask(attribution, { ...kept, ...days('30d') })).rejects.toMatchObject(behind);
    expect((await state.ask(rfm, kept)).body).toMatchObject({ customers_total: 1 });
    expect((await state.ask(ltv, { ...kept, model: 'historical' })).body).toMatchObject({
      customers_total: 1,
    });
    expect((await state.ask(retention, { ...kept, ...recurring })).body).toMatchObject({ size: 1 });
    const { body } = await state.ask(attribution, { ...kept, ...days('1d') });
    expect(body).toMatchObject({ totals: { conversions: 1, revenue: 100 } });
  });
});
