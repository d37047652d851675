import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL_TIME, ContractService, type Event } from './contract-service.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
let service: ContractService;

beforeAll(async () => {
  service = await ContractService.start(scratch, { env: { CUSTOM_DIMENSIONS: 'loyalty_tier,store' } });
});
afterAll(async () => {
  await service.stop();
  await scratch.clean();
});

const at = (time: string): string => (time.includes('T') ? time : `${time}T12:00:00Z`);
const order = (order_id: string, time: string, members: Event = {}): Event =>
  service.event({ order_id, time: at(time), ...members });

describe('a customer', () => {
  it('is new once, whatever lies between the orders', async () => {
    const days = ['2022-01-01', '2022-12-01', '2023-03-01', '2023-12-01'];
    const events = days.map((day, index) => order(`n-${index}`, day, { customer_id: 'c', amount: 100 }));
    for (const tenant of await service.both('new', events)) {
      expect(await service.totals(tenant, ['customers_new', 'orders_count', 'customers_active'])).toEqual({
        customers_new: 1,
        orders_count: 4,
        customers_active: 1,
      });
    }
  });

  it('is new at the earliest order, which may come last', async () => {
    const [, tenant] = await service.both('early', [
      order('l-1', '2024-03-05', { customer_id: 'c' }),
      order('l-2', '2021-03-05', { customer_id: 'c' }),
    ]);
    const query = { start: '2021-01-01T00:00:00Z', end: '2022-01-01T00:00:00Z' };
    expect(await service.totals(tenant, ['customers_new'], query)).toEqual({ customers_new: 1 });
    expect(await service.totals(tenant, ['customers_new'])).toEqual({ customers_new: 1 });
  });
});

describe('converted money', () => {
  const RANGE = { start: '2025-03-10T00:00:00Z', end: '2025-03-11T00:00:00Z' };
  const rate = (value: string, time: string, members: Event = {}): Event =>
    service.event({
      type: 'fx.rate',
      time,
      currency: undefined,
      base: 'EUR',
      quote: 'USD',
      rate: value,
      ...members,
    });

  it('goes by the rate of the UTC day, whatever the granularity and the zone', async () => {
    const tenants = await service.both('fx', [
      rate('1.00', '2025-03-10T00:00:00Z'),
      rate('2.00', '2025-03-10T18:00:00Z'),
      order('fx-1', '2025-03-10T10:00:00Z', { amount: 10_000 }),
    ]);
    const granularities = ['1m', '5m', '15m', '1h', '1d', '1w', '1M', '1Q', 'year', undefined];
    const zones = ['UTC', 'Asia/Kolkata', 'America/Los_Angeles', 'Pacific/Kiritimati'];
    for (const tenant of tenants) {
      for (const granularity of granularities) {
        for (const timezone of zones) {
          const query = { ...RANGE, timezone, currency: 'USD', ...(granularity && { granularity }) };
          const found = await service.totals(tenant, ['revenue'], query);
          expect([granularity, timezone, found.revenue]).toEqual([granularity, timezone, 20_000]);
        }
      }
    }
  });

  it('goes by the newest rate before, and names the pair and the day that have none', async () => {
    const [tenant] = await service.both('fx-before', [
      rate('1.10', '2025-03-08T23:00:00Z'),
      order('fb-1', '2025-03-10T10:00:00Z', { amount: 1_000 }),
      order('fb-2', '2025-03-10T11:00:00Z', { amount: 1_000, currency: 'GBP' }),
    ]);
    const query = { ...RANGE, currency: 'USD' };
    const eur = { ...query, filters: { currency: 'EUR' } };
    expect(await service.totals(tenant, ['revenue'], eur)).toEqual({ revenue: 1_100 });
    const { status, json } = await service.post(tenant, '/kpis/query', { metrics: ['revenue'], ...query });
    expect([status, json.code]).toEqual([422, 'fx_rate_missing']);
    expect(json.detail).toMatch(/GBP.*USD.*2025-03-10/s);
  });

  it('knows the currency in lower case, and one alone needs no rate', async () => {
    const tenants = await service.both('usd', [
      order('u-1', '2025-03-10T10:00:00Z', { amount: 1_000, currency: 'usd' }),
      order('u-2', '2025-03-10T11:00:00Z', { amount: 500, currency: 'USD' }),
    ]);
    for (const tenant of tenants) {
      expect(await service.by(tenant, 'currency', ['revenue'], { currency: 'USD' })).toEqual({
        USD: { revenue: 1_500 },
      });
      expect(await service.by(tenant, 'currency', ['revenue'])).toEqual({ USD: { revenue: 1_500 } });
    }
  });
});

describe('percentiles', () => {
  it('are by nearest rank', async () => {
    const [two] = await service.both('p-two', [
      order('p-1', '2025-03-10', { amount: 1_000 }),
      order('p-2', '2025-03-10', { amount: 100_000 }),
    ]);
    const of = async (tenant: string, aggregation: string) =>
      (await service.totals(tenant, ['revenue'], { aggregation })).revenue;
    expect([await of(two, 'p50'), await of(two, 'p90'), await of(two, 'p99')]).toEqual([
      1_000, 100_000, 100_000,
    ]);
    const [fifty] = await service.both(
      'p-fifty',
      Array.from({ length: 50 }, (_, index) =>
        order(`p-50-${index}`, '2025-03-10', { amount: index === 20 ? 1_000_000 : 1_002 }),
      ),
    );
    expect([await of(fifty, 'p99'), await of(fifty, 'p90'), await of(fifty, 'max')]).toEqual([
      1_000_000, 1_002, 1_000_000,
    ]);
  });
});

describe('a ratio of counts', () => {
  it('is the same beside money, in a shop of two currencies', async () => {
    const session = (type: string, session_id: string): Event =>
      service.event({ type, session_id, time: '2025-03-10T09:00:00Z', currency: undefined });
    const [tenant] = await service.both('ratio', [
      ...['s1', 's2', 's3', 's4'].map((id) => session('visit', id)),
      ...['s1', 's2'].map((id) => session('add_to_cart', id)),
      order('r-1', '2025-03-10', { session_id: 's1', amount: 100 }),
      order('r-2', '2025-03-10', { session_id: 's9', amount: 200, currency: 'USD' }),
    ]);
    const rates = { conversion_rate: 0.5, cart_abandonment_rate: 0 };
    const names = Object.keys(rates);
    expect(await service.totals(tenant, names)).toEqual(rates);
    const { groups } = await service.kpis(tenant, { metrics: [...names, 'revenue'], ...ALL_TIME });
    expect(groups.map(({ key, totals }) => ({ ...key, ...totals }))).toEqual([
      { currency: 'EUR', ...rates, revenue: 100 },
      { currency: 'USD', ...rates, revenue: 200 },
    ]);
  });
});

const COUNTED = ['orders_count', 'revenue', 'aov', 'units_sold'];
const item = (sku: string, quantity: number, unit_price: number, category = 'toys'): Event => ({
  ...{ sku, category, quantity, unit_price },
});

describe('an order', () => {
  it('that is sent again under another event id counts once', async () => {
    const once = { amount: 2_000, discount: 100, items: [item('A', 2, 1_000)] };
    for (const tenant of await service.both('again', [
      order('a-1', '2025-03-10', once),
      order('a-1', '2025-03-10', once),
      order('a-1', '2025-03-11', once),
      service.event({ type: 'order.placed', order_id: 'a-1', time: at('2025-03-12'), ...once }),
    ])) {
      expect(await service.totals(tenant, COUNTED)).toEqual({
        ...{ orders_count: 1, revenue: 2_000, aov: 1_900, units_sold: 2 },
      });
    }
  });

  it('is as its newest version says, at the time of its creation', async () => {
    const [http, nats] = await service.both('edited', [
      order('b-1', '2025-03-10', {
        amount: 2_000,
        discount: 50,
        country: 'DE',
        items: [item('A', 2, 1_000)],
      }),
      service.event({
        ...{ type: 'order.updated', order_id: 'b-1', time: at('2025-03-20') },
        ...{ amount: 1_500, country: 'FR', items: [item('A', 1, 1_000), item('B', 1, 500)] },
      }),
      // Older than the last: it changes nothing of what that says.
      service.event({
        type: 'order.updated',
        order_id: 'b-1',
        time: at('2025-03-15'),
        amount: 9,
        channel: 'web',
      }),
    ]);
    const day = { start: '2025-03-10T00:00:00Z', end: '2025-03-11T00:00:00Z' };
    for (const tenant of [http, nats]) {
      expect(await service.by(tenant, 'country', COUNTED, day)).toEqual({
        FR: { orders_count: 1, revenue: 1_500, aov: 1_450, units_sold: 2 },
      });
      expect(await service.by(tenant, 'channel', ['revenue'])).toEqual({ web: { revenue: 1_500 } });
      expect(await service.by(tenant, 'sku', ['revenue', 'units_sold'])).toEqual({
        A: { revenue: 1_000, units_sold: 1 },
        B: { revenue: 500, units_sold: 1 },
      });
    }
  });

  it('gives its events what they lack, whichever came first', async () => {
    const created = order('c-1', '2025-03-10', {
      ...{ customer_id: 'c', country: 'DE', channel: 'web', amount: 3_000 },
      items: [item('A', 1, 1_000), item('B', 1, 2_000, 'books')],
    });
    const of = (type: string, time: string, members: Event = {}): Event =>
      service.event({ type, order_id: 'c-1', time: at(time), currency: undefined, ...members });
    const others = [
      of('payment.succeeded', '2025-03-11', { amount: 3_000, payment_method: 'card' }),
      of('refund.issued', '2025-03-12', { amount: 300 }),
      of('return.received', '2025-03-12', { sku: 'B' }),
      of('order.shipped', '2025-03-12', { warehouse: 'west' }),
    ];
    const first = await service.both('inherit-first', [created, ...others]);
    const last = await service.both('inherit-last', [...others, created]);
    const metrics = ['revenue_net', 'refund_amount', 'revenue_paid', 'returns_count', 'orders_shipped'];
    for (const tenant of [...first, ...last]) {
      expect(await service.by(tenant, 'country', metrics)).toEqual({
        DE: {
          ...{ revenue_net: 2_700, refund_amount: 300, revenue_paid: 3_000 },
          ...{ returns_count: 1, orders_shipped: 1 },
        },
      });
      expect(await service.by(tenant, 'sku', ['refund_amount', 'returns_count'])).toEqual({
        A: { refund_amount: 100, returns_count: 0 },
        B: { refund_amount: 200, returns_count: 1 },
      });
      expect(await service.by(tenant, 'currency', ['revenue_net'])).toEqual({ EUR: { revenue_net: 2_700 } });
      expect(await service.totals(tenant, ['days_to_ship_avg'])).toEqual({ days_to_ship_avg: 2 });
    }
  });

  it('gives lines that name only a sku the category of its own line', async () => {
    const line = (sku: string, unit_price: number) => ({ sku, quantity: 1, unit_price });
    const created = order('c-2', '2025-03-10', {
      ...{ amount: 3_500, category: 'mixed' },
      items: [item('A', 1, 1_000, 'toys'), item('B', 1, 2_000, 'books'), line('C', 500)],
    });
    const of = (type: string, members: Event): Event =>
      service.event({ type, time: at('2025-03-12'), order_id: 'c-2', currency: undefined, ...members });
    const others = [
      of('refund.issued', { amount: 400, items: [line('B', 300), line('C', 100)] }),
      of('refund.issued', { amount: 70, items: [item('B', 1, 70, 'outlet')] }),
      of('refund.issued', { amount: 9, sku: 'A' }),
      of('return.received', { sku: 'B' }),
      of('return.received', { sku: 'C' }),
    ];
    // Newer: what its events have from it moves with it.
    const edited = service.event({
      ...{ type: 'order.updated', time: at('2025-03-13'), order_id: 'c-2' },
      items: [item('A', 1, 1_000, 'games'), item('B', 1, 2_000, 'books'), line('C', 500)],
    });
    const metrics = ['revenue', 'refund_amount', 'returns_count'];
    const values = (revenue: number, refund_amount: number, returns_count: number) => ({
      ...{ revenue, refund_amount, returns_count },
    });
    for (const events of [
      [created, ...others, edited],
      [...others, edited, created],
      [edited, created, ...others],
    ]) {
      const name = `lines-${events.indexOf(created)}-${events.indexOf(edited)}`;
      for (const tenant of await service.both(name, events)) {
        expect(await service.by(tenant, 'category', metrics)).toEqual({
          games: values(1_000, 9, 0),
          books: values(2_000, 300, 1),
          outlet: values(0, 70, 0),
          mixed: values(0, 0, 1),
          null: values(500, 100, 0),
        });
      }
    }
  });

  it('that is only updated is not counted', async () => {
    const [tenant] = await service.both('never', [
      service.event({ type: 'order.updated', order_id: 'd-1', time: at('2025-03-10'), amount: 100 }),
    ]);
    expect(await service.totals(tenant, ['orders_count', 'revenue'])).toEqual({
      orders_count: 0,
      revenue: 0,
    });
  });

  it('is cancelled in both spellings, and created under its other names', async () => {
    const [http, nats] = await service.both('names', [
      service.event({ type: 'order.placed', order_id: 'e-1', time: at('2025-03-10'), amount: 100 }),
      service.event({ type: 'Order_Completed', order_id: 'e-2', time: at('2025-03-10'), amount: 200 }),
      service.event({ type: 'order-created', order_id: 'e-3', time: at('2025-03-10'), amount: 400 }),
      service.event({ type: 'order.canceled', order_id: 'e-1', time: at('2025-03-11') }),
      service.event({ type: 'ORDER_CANCELLED', order_id: 'e-2', time: at('2025-03-11') }),
    ]);
    for (const tenant of [http, nats]) {
      expect(
        await service.totals(tenant, ['orders_count', 'revenue', 'orders_cancelled', 'revenue_cancelled']),
      ).toEqual({ orders_count: 3, revenue: 700, orders_cancelled: 2, revenue_cancelled: 300 });
      expect(await service.by(tenant, 'type', ['orders_count', 'orders_cancelled'])).toEqual({
        'order.created': { orders_count: 3, orders_cancelled: 0 },
        'order.cancelled': { orders_count: 0, orders_cancelled: 2 },
      });
    }
  });
});

describe('every dimension', () => {
  const values: Readonly<Record<string, string>> = {
    ...{ status: 'open', region: 'Bayern', voucher_code: 'SPRING', reason: 'gift', source: 'till 4' },
    ...{ channel: 'web', country: 'DE', warehouse: 'west', payment_method: 'card', customer_segment: 'vip' },
    ...{ campaign: 'may', sku: 'A', category: 'toys', loyalty_tier: 'gold', store: 'Köln' },
  };
  let tenants: readonly string[];

  beforeAll(async () => {
    const { store, ...rest } = values;
    tenants = await service.both('dimensions', [
      // A declared dimension may be a member of `data`.
      order('f-1', '2025-03-10', { ...rest, data: { store }, amount: 100 }),
      order('f-2', '2025-03-10', { amount: 30 }),
    ]);
  });

  it.each(Object.keys(values))('%s groups and filters', async (name) => {
    const value = values[name] as string;
    for (const tenant of tenants) {
      expect(await service.by(tenant, name, ['revenue'])).toEqual({
        [value]: { revenue: 100 },
        null: { revenue: 30 },
      });
      const filtered = async (filter: unknown) =>
        (await service.totals(tenant, ['revenue'], { filters: { [name]: filter } })).revenue;
      expect(await filtered(value)).toBe(100);
      expect(await filtered([value, 'other'])).toBe(100);
      expect(await filtered([value, null])).toBe(130);
      expect(await filtered(null)).toBe(30);
      expect(await filtered({ not: value })).toBe(30);
      expect(await filtered({ not: null })).toBe(100);
      expect(
        (await service.totals(tenant, ['orders_count'], { filters: { [name]: 'no' } })).orders_count,
      ).toBe(0);
    }
  });

  it('of several at once, with the type', async () => {
    const [tenant = ''] = tenants;
    const { groups } = await service.kpis(tenant, {
      metrics: ['revenue'],
      ...{ start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' },
      group_by: ['status', 'region', 'voucher_code', 'reason', 'source', 'type', 'loyalty_tier', 'store'],
      filters: { type: 'Order_Created', status: { not: null } },
    });
    expect(groups.map(({ key, totals }) => ({ ...key, ...totals }))).toEqual([
      {
        ...{ status: 'open', region: 'Bayern', voucher_code: 'SPRING', reason: 'gift', source: 'till 4' },
        ...{ type: 'order.created', loyalty_tier: 'gold', store: 'Köln', revenue: 100 },
      },
    ]);
  });
});
