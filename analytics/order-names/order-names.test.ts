import { describe, expect, it } from 'vitest';
import { fc, propertySeed } from '../../test/property.ts';
import { normalType } from '../events/index.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import { orderChanges } from '../order-changes/index.ts';
import { type ListedOrder, statusText } from '../orders/index.ts';
import { RETENTION_TABLE } from '../topology.ts';
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
        eventsOf(saying, n).map(({ type, time, event_id, ...members }, part) => ({
          ...{ sequence: n, part, time_ms: Date.parse(time), event_id, type: normalType(type) },
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

  it('is one status for lists and webhooks also where several are said at one time, whatever came first', async () => {
    const statuses = [
      'pending',
      'confirmed',
      'packed',
      'on_hold',
      'fulfilled',
      'delivered',
      'rto',
      'cancelled',
    ];
    const saying = fc.tuple(
      fc.constantFrom(
        'order.created',
        'order.updated',
        'order.status_changed',
        'order.shipped',
        'order.delivered',
      ),
      fc.option(fc.constantFrom(...statuses), { nil: undefined }),
      fc.nat(2),
    );
    // Ids in another order than that of their arrival.
    const orders = fc.sample(fc.array(saying, { minLength: 1, maxLength: 7 }), {
      numRuns: 150,
      seed: propertySeed,
    });
    const lives = orders.map((life, n) => [
      ...life.map(
        ([type, status, minute], i): ShopEvent => ({
          ...{
            event_id: `${(i * 5) % 7}-${n}`,
            type,
            time: at(minute),
            order_id: `o${n}`,
            amount: 1,
            currency: 'EUR',
          },
          ...(status === undefined ? {} : { status }),
        }),
      ),
      {
        event_id: `z${n}`,
        type: 'order.created',
        time: at(1),
        order_id: `o${n}`,
        amount: 1,
        currency: 'EUR',
      } as ShopEvent,
    ]);
    const state = await ShopState.of(lives.flat());
    const wrong: unknown[] = [];
    for (const [n, life] of lives.entries()) {
      const facts = life.map(({ type, time, event_id, ...members }, part) => ({
        ...{ sequence: n, part, time_ms: Date.parse(time), event_id, type: normalType(type) },
        status: namedStatus(normalType(type), members),
      }));
      const told = orderChanges(facts.slice(0, 1)).concat(
        ...facts.slice(1).map((_, i) => orderChanges(facts.slice(0, i + 2))),
      );
      const { body } = await state.ask(state.kinds.orders, { ...ALL, order_ids: [`o${n}`] });
      const [order] = (body as unknown as { readonly orders: readonly ListedOrder[] }).orders;
      const last = told.at(-1)?.new_status ?? 'pending';
      if (order?.status !== statusText(last)) wrong.push([order?.status, last, life]);
      // As if they had come the other way round.
      const backwards = facts.toReversed().map((fact, part) => ({ ...fact, part }));
      const again = backwards.flatMap((_, i) => orderChanges(backwards.slice(0, i + 1))).at(-1)?.new_status;
      if (statusText(again ?? 'pending') !== order?.status) wrong.push([again, order?.status, life]);
    }
    expect(wrong).toEqual([]);
  });

  it('is in doubt in a state that a version without these names has begun', async () => {
    const state = await ShopState.of(eventsOf(['order.fulfilled', {}], 1));
    const warnings = async () => (await state.ask(state.kinds.orders, ALL)).warnings;
    expect(await warnings()).toEqual([]);
    const store = state.driver.disk.open();
    store.transaction(() => store.table(RETENTION_TABLE).remove(Uint8Array.of(2)));
    expect(await warnings()).toEqual([expect.stringContaining('A backfill puts it right')]);
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
