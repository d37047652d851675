import { describe, expect, it } from 'vitest';
import { normalType } from '../events/index.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import { orderChanges } from '../order-changes/index.ts';
import { type ListedOrder, statusText } from '../orders/index.ts';
import { namedStatus, ORDER_STEPS } from './index.ts';

const at = (minute: number): string => new Date(Date.UTC(2025, 2, 1, 10, minute)).toISOString();
const ALL = { start: '2025-01-01T00:00:00Z', end: '2026-01-01T00:00:00Z' };

/** Ways to say what became of an order: by a type, by a member of the event, by a member of its data. */
const SAYINGS: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ...ORDER_STEPS.flatMap(({ status, names }) =>
    [status, ...names].flatMap((name) => [
      [`order.${name}`, {}] as const,
      [`ORDER-${name}`.toUpperCase(), {}] as const,
      ['order.status_changed', { status: name.replaceAll('_', ' ') }] as const,
      ['order.updated', { data: { status: name } }] as const,
    ]),
  ),
  ['order.status_changed', { new_status: 'On Hold' }],
  ['order.status_changed', { data: { new_status: 'on-hold' } }],
  ['order.status_changed', { status: 'packed', new_status: 'on_hold' }],
  ['order.status_changed', { data: { status: 'packed' } }],
  ['order.status_changed', { new_status: 7, status: 'packed' }],
  ['order.updated', { new_status: 'packed' }],
  ['order.updated', { status: 'packed', data: { status: 'other' } }],
  ['order.packed', { status: 'packed' }],
  ['payment.succeeded', { status: 'paid', data: { status: 'paid' }, amount: 1, currency: 'EUR' }],
];

function eventsOf([type, members]: (typeof SAYINGS)[number], n: number): readonly ShopEvent[] {
  const order_id = `o${n}`;
  return [
    { event_id: `a${n}`, type: 'order.created', time: at(0), order_id, amount: 1, currency: 'EUR' },
    { event_id: `b${n}`, type, time: at(1), order_id, ...members },
  ];
}

describe('what orders are called', () => {
  it('is the same for what is counted and for what webhooks tell', async () => {
    const state = await ShopState.of(SAYINGS.flatMap(eventsOf));
    for (const [n, saying] of SAYINGS.entries()) {
      const changes = orderChanges(
        eventsOf(saying, n).map(({ type, time, ...members }, part) => ({
          ...{ sequence: n, part, time_ms: Date.parse(time), type: normalType(type) },
          status: namedStatus(normalType(type), members),
        })),
      );
      const told = changes.at(-1)?.new_status ?? 'pending';
      const { body } = await state.ask(state.kinds.orders, { ...ALL, order_ids: [`o${n}`] });
      const [order] = (body as unknown as { readonly orders: readonly ListedOrder[] }).orders;
      expect(order?.status, JSON.stringify(saying)).toBe(statusText(told));
    }
    const { totals } = (await state.ask(state.kinds.outcomes, ALL)).body as { totals: { rto: number } };
    expect(totals.rto).toBe(8);
  });

  it('counts an event of another name as what it means', async () => {
    const named = (type: string, n: number): readonly ShopEvent[] => eventsOf([type, {}], n);
    const types = ['order.fulfilled', 'order.shipped', 'order.returned_to_origin', 'order.canceled'];
    const state = await ShopState.of(types.flatMap(named));
    const metrics = ['orders_shipped', 'orders_rto', 'orders_cancelled'];
    const { groups } = await state.ask(state.kinds.kpis, { ...ALL, metrics });
    expect(groups[0]?.totals).toEqual({ orders_shipped: 2, orders_rto: 1, orders_cancelled: 1 });
  });
});
