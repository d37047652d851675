import { describe, expect, it } from 'vitest';
import { META_TABLE, readProgress, type ScanPlan } from '../../engine/index.ts';
import { SHOP, type ShopEvent, ShopState } from '../fixture-shop.ts';
import { type ListedOrder, type OrdersPlace, PAYMENT_STATUSES } from './index.ts';
import { listWindows } from './list-window.ts';

const START = Date.UTC(2025, 2, 1);
const HOUR_MS = 3_600_000;
const iso = (hour: number): string => new Date(START + hour * HOUR_MS).toISOString();
const ALL = { start: '2000-01-01T00:00:00Z', end: '2100-01-01T00:00:00Z', follow_up: '3660d' };
const ORDERS = 400;

/** Orders of a month, several of an hour, some without an id, paid, changed and taken back later. */
function events(): ShopEvent[] {
  return Array.from({ length: ORDERS }, (_, n): ShopEvent[] => {
    const hour = Math.floor((n * 37) % 700);
    const order_id = `o${n}`;
    const own = { customer_id: `c${n % 9}`, currency: 'EUR', amount: 100 + n };
    const channel = n % 3 === 0 ? 'web' : 'app';
    const created = { event_id: `a${n}`, type: 'order.created', time: iso(hour), ...own, channel };
    if (n % 11 === 0) return [created];
    const paid = { event_id: `b${n}`, type: 'payment.succeeded', time: iso(hour + 300), order_id };
    const sent = { event_id: `d${n}`, type: 'order.status_changed', time: iso(hour + 9), order_id };
    return [
      { ...created, order_id },
      ...(n % 2 === 0 ? [{ ...paid, amount: 100 + n, currency: 'EUR' }] : []),
      ...(n % 5 === 0 ? [{ ...sent, status: 'packed' }] : []),
      ...(n % 7 === 0 ? [{ ...sent, event_id: `e${n}`, type: 'order.updated', channel: 'web' }] : []),
    ];
  }).flat();
}

/** Events that change what a list says: an order that goes, one that is created anew, one of another time. */
const LATER: readonly ShopEvent[] = [
  { event_id: 'r1', type: 'event.retracted', time: iso(900), retracts: ['a1'] },
  { event_id: 'n1', type: 'order.created', time: iso(350), order_id: 'new', amount: 5, currency: 'EUR' },
  { event_id: 'n2', type: 'order.created', time: iso(1), order_id: 'o3', amount: 5, currency: 'EUR' },
  { event_id: 'n3', type: 'order.delivered', time: iso(901), order_id: 'o8' },
];

interface Listed {
  readonly orders_total: number;
  readonly orders: readonly ListedOrder[];
  readonly next: OrdersPlace | null;
}

async function listOf(state: ShopState, query: object): Promise<Listed & { readonly query_id: string }> {
  const { body, query_id } = await state.ask(state.kinds.orders, { ...ALL, ...query });
  return { ...(body as unknown as Listed), query_id };
}

async function pagesOf(state: ShopState, query: object) {
  const orders: ListedOrder[] = [];
  const totals = new Set<number>();
  let after: object = {};
  for (let pages = 0; pages < ORDERS; pages++) {
    const page = await listOf(state, { ...query, ...after });
    orders.push(...page.orders);
    totals.add(page.orders_total);
    if (page.next === null) return { orders, totals: [...totals] };
    after = { after: page.next };
  }
  throw new Error('the pages do not end');
}

const FILTERS: readonly object[] = [
  {},
  { filters: { channel: 'web' } },
  { customer_ids: ['c3', 'c5'] },
  { statuses: ['packed'] },
  { start: iso(100), end: iso(400) },
];

describe('pages of orders', () => {
  it('by status are planned with all that they may have to look at', async () => {
    const inOrder = events().sort((a, b) => (a.time < b.time ? -1 : 1));
    const state = await ShopState.of(inOrder, { commit_events: 57 });
    const planned = (wish: object, of = state): number =>
      of.driver.disk.reader().snapshot((table) => {
        const progress = readProgress(table(META_TABLE));
        if (progress === undefined) throw new Error('nothing is committed');
        const query = of.kinds.orders.schema.parse({ ...ALL, limit: 2, ...wish });
        return of.kinds.orders.plan({ table, scope: SHOP, now_ms: START, progress }, query).rows;
      });
    const { next: after } = await listOf(state, { statuses: ['pending'], limit: 2 });
    const some = planned({ after: (await listOf(state, { limit: 2 })).next });
    expect(planned({ statuses: ['pending'], after })).toBeGreaterThanOrEqual(inOrder.length);
    expect(some).toBeLessThan(inOrder.length);
    // Where hardly a row is an order, a page by itself may need all of them, too.
    const visits = Array.from({ length: 3_000 }, (_, n): ShopEvent => {
      const order = { type: 'order.created', order_id: `o${n}`, amount: 5, currency: 'EUR' };
      const said = n % 300 === 0 ? order : { type: 'visit', session_id: `s${n}` };
      return { event_id: `v${n}`, time: iso(n / 10), ...said };
    });
    const sparse = await ShopState.of(visits, { commit_events: 57 });
    const { next } = await listOf(sparse, { limit: 2 });
    expect(planned({ after: next }, sparse)).toBeGreaterThanOrEqual(visits.length);
  });

  it('are what all orders looked at together say, also as of an earlier state', async () => {
    const state = await ShopState.of(events(), { shuffle: 3, commit_events: 57 });
    const whole = { payment_statuses: PAYMENT_STATUSES, limit: 1_000 };
    const before = new Map<object, Listed>();
    for (const filter of FILTERS)
      for (const order of ['asc', 'desc']) {
        const all = await listOf(state, { ...filter, ...whole, order });
        const { orders, totals } = await pagesOf(state, { ...filter, order, limit: 13 });
        expect(orders).toEqual(all.orders);
        expect(totals).toEqual([all.orders_total]);
        expect(all.orders.length).toBeGreaterThan(0);
        if (order === 'asc') before.set(filter, all);
      }
    const { query_id } = await listOf(state, {});
    await state.add(LATER);
    for (const [filter, all] of before) {
      const as_of = { query_id };
      expect((await pagesOf(state, { ...filter, order: 'asc', limit: 29, as_of })).orders).toEqual(
        all.orders,
      );
      const now = await listOf(state, { ...filter, ...whole, order: 'asc' });
      expect((await pagesOf(state, { ...filter, order: 'asc', limit: 29 })).orders).toEqual(now.orders);
      if (filter === FILTERS[0]) expect(now.orders).not.toEqual(all.orders);
    }
    const named = await listOf(state, { order_ids: ['o1', 'o2', 'new', 'nobody'] });
    expect(named.orders_total).toBe(2);
    const earlier = await listOf(state, { order_ids: ['o1', 'o2', 'new', 'nobody'], as_of: { query_id } });
    expect(earlier.orders_total).toBe(2);
    expect(earlier.orders).not.toEqual(named.orders);
  });

  it('look for named orders since they began, and for none where there are none', async () => {
    const state = await ShopState.of(events());
    const rowsOf = async (order_ids: readonly string[]): Promise<number> => {
      const { explain } = await state.ask(state.kinds.orders, { ...ALL, order_ids, explain: true });
      return Number(explain?.rows);
    };
    expect(await rowsOf(['nobody'])).toBe(0);
    expect(await rowsOf(['o1'])).toBeGreaterThan(0);
  });

  it('are looked for in windows that cover the range once, the next one larger', () => {
    const chunks = Array.from({ length: 50 }, (_, at) => ({
      ...{ segment: 's', chunk: at, rows: 1_000, isWhole: true },
      ...{ min_ms: START + at * HOUR_MS, max_ms: START + (at + 1) * HOUR_MS - 1 },
    }));
    const request = { scope: 'a', start_ms: 0, end_ms: 2 * START };
    const plan: ScanPlan = { request, chunks, segments: 1, rows: 50_000, bytes: 1 };
    const range = { start_ms: 0, end_ms: 2 * START };
    for (const order of ['asc', 'desc'] as const) {
      const windows = [...listWindows(plan, range, { order, limit: 99 })];
      expect(windows.length).toBeGreaterThan(2);
      const sorted = windows.toSorted((a, b) => a.start_ms - b.start_ms);
      expect(sorted[0]?.start_ms).toBe(0);
      expect(sorted.at(-1)?.end_ms).toBe(2 * START);
      for (const [at, { start_ms }] of sorted.slice(1).entries()) expect(start_ms).toBe(sorted[at]?.end_ms);
      expect(windows.map(({ isLast }) => isLast).indexOf(true)).toBe(windows.length - 1);
    }
    const [behind] = listWindows(plan, range, {
      order: 'desc',
      limit: 9,
      after: { time_ms: START + 5, key: '' },
    });
    expect(behind).toMatchObject({ end_ms: START + 6, isLast: true });
  });
});
