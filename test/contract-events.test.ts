import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManager } from '../connectors/index.ts';
import { ALL_TIME, ContractService, type Event, type RawAnswer } from './contract-service.ts';
import { CUSTOM, ShopTraffic, VALUES } from './contract-traffic.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
const TENANT = 'shop';
const ODD_ID = 'ü/ä %2F?&#+"\\ 漢字';
let service: ContractService;
/** Each event once, as it was sent, the newest first. */
let sent: readonly Event[];

beforeAll(async () => {
  service = await ContractService.start(scratch, { env: { CUSTOM_DIMENSIONS: CUSTOM } });
  const traffic = new ShopTraffic(3).events(120);
  const odd = {
    ...{ event_id: ODD_ID, type: 'Parcel_Lost', time: '2025-04-01T12:00:00.123Z', amount: 7 },
    data: { note: 'Left at the NEIGHBOUR’s, no. 12', nested: [{ deep: { er: true } }] },
  };
  const events = [...traffic, odd];
  await service.stream(TENANT, events);
  await service.instance.untilApplied();
  const byId = new Map(events.map((event) => [event.event_id, event as Event]));
  sent = [...byId.values()].sort((a, b) => Date.parse(String(b.time)) - Date.parse(String(a.time)));
});
afterAll(async () => {
  await service.stop();
  await scratch.clean();
});

interface Page {
  readonly events: readonly Event[];
  readonly next_cursor: string | null;
}
const pageOf = ({ status, text, json }: RawAnswer): Page => {
  expect(status, text).toBe(200);
  return json as unknown as Page;
};
const ids = (events: readonly Event[]): unknown[] => events.map(({ event_id }) => event_id);
const idsWhere = (passes: (event: Event) => boolean): unknown[] => ids(sent.filter(passes));
const normal = (type: unknown): string => {
  const plain = String(type).toLowerCase().replaceAll(/[_-]/g, '.');
  const aliases: Readonly<Record<string, string>> = {
    ...{
      'order.placed': 'order.created',
      'order.completed': 'order.created',
      'order.canceled': 'order.cancelled',
    },
  };
  return aliases[plain] ?? plain;
};

async function listed(filters: Readonly<Record<string, string>>): Promise<unknown[]> {
  const found: unknown[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const search = new URLSearchParams({ ...filters, limit: '97', ...(cursor === '' ? {} : { cursor }) });
    const page = pageOf(await service.get(TENANT, `/events?${search}`));
    found.push(...ids(page.events));
    cursor = page.next_cursor;
  }
  return found;
}

async function searched(query: unknown, more: object = {}): Promise<unknown[]> {
  return ids(pageOf(await service.post(TENANT, '/events/search', { query, limit: 1_000, ...more })).events);
}

describe('GET /events', () => {
  it('lists each event once, and filters by each field of the event as it was sent', async () => {
    expect(await listed({})).toEqual(ids(sent));
    const of = (name: string, value: string) => (event: Event) => event[name] === value;
    const filters: (readonly [Readonly<Record<string, string>>, (event: Event) => boolean])[] = [
      ...Object.entries(VALUES)
        .filter(([name]) => name !== CUSTOM)
        .flatMap(([name, values]) => values.map((value) => [{ [name]: value }, of(name, value)] as const)),
      ...['o-3', 'o-40'].map((id) => [{ order_id: id }, of('order_id', id)] as const),
      ...['c-0', 'c-1'].map((id) => [{ customer_id: id }, of('customer_id', id)] as const),
      ...['s-0', 's-1'].map((id) => [{ session_id: id }, of('session_id', id)] as const),
      ...['order.created', 'ORDER-canceled', 'newsletter.opened', 'parcel.lost'].map(
        (type) => [{ type }, (event: Event) => normal(event.type) === normal(type)] as const,
      ),
      [{ currency: 'eur' }, ({ currency }) => /^eur$/i.test(String(currency))],
      [
        { sku: 'A' },
        ({ sku, items }) =>
          sku === 'A' || ((items as Event[] | undefined) ?? []).some((item) => item.sku === 'A'),
      ],
      [
        { from: '2025-03-25T00:00:00Z', to: '2025-03-27T12:00:59+02:00' },
        ({ time }) =>
          String(time) >= '2025-03-25' && Date.parse(String(time)) < Date.parse('2025-03-27T10:01:00Z'),
      ],
      [
        { country: 'DE', type: 'refund.issued' },
        ({ country, type }) => country === 'DE' && normal(type) === 'refund.issued',
      ],
    ];
    for (const [filter, passes] of filters) {
      expect([filter, await listed(filter)]).toEqual([filter, idsWhere(passes)]);
    }
    expect(await listed({ type: 'visit', order: 'asc' })).toEqual(
      idsWhere(({ type }) => type === 'visit').reverse(),
    );
  });

  it('finds one by any id, with its payload as it was sent', async () => {
    const { status, json, text } = await service.get(TENANT, `/events/${encodeURIComponent(ODD_ID)}`);
    expect([status, json.event_id, json.type, json.time], text).toEqual([
      ...[200, ODD_ID, 'parcel.lost', '2025-04-01T12:00:00.123Z'],
    ]);
    expect(json.payload).toEqual(sent.find(({ event_id }) => event_id === ODD_ID));
    for (const id of ['nobody', '%25', 'x'.repeat(128)]) {
      expect((await service.get(TENANT, `/events/${id}`)).status).toBe(404);
    }
    expect((await service.get('other', `/events/${encodeURIComponent(ODD_ID)}`)).status).toBe(404);
  });

  it('goes on from a cursor as the listing began, while events arrive', async () => {
    const expected = idsWhere(({ type }) => type === 'visit');
    const found: unknown[] = [];
    let cursor: string | null = '';
    for (let round = 0; cursor !== null; round++) {
      const at = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page: Page = pageOf(await service.get(TENANT, `/events?type=visit&limit=7${at}`));
      found.push(...ids(page.events));
      cursor = page.next_cursor;
      if (round > 5) continue;
      await service.stream(TENANT, [
        { event_id: `new-${round}`, type: 'visit', time: sent[20 * round]?.time },
      ]);
      await service.instance.untilApplied();
    }
    expect(found).toEqual(expected);
    expect((await listed({ type: 'visit' })).length).toBe(expected.length + 6);
  });
});

describe('POST /events/search', () => {
  const isOld = (event: Event): boolean => !String(event.event_id).startsWith('new-');
  const old = { not: { field: 'event_id', prefix: 'new-' } };

  it('takes every operator on any path', async () => {
    const cases: readonly (readonly [unknown, (event: Event) => boolean])[] = [
      [
        { field: 'amount', range: { gte: 1_000, lt: 9_000 } },
        ({ amount }) => Number(amount) >= 1_000 && Number(amount) < 9_000,
      ],
      [
        { field: 'items[].quantity', eq: 3 },
        ({ items }) => ((items as Event[]) ?? []).some(({ quantity }) => quantity === 3),
      ],
      [
        { field: 'items[1].sku', in: ['A', 'B'] },
        ({ items }) => ['A', 'B'].includes(String((items as Event[])?.[1]?.sku)),
      ],
      [
        { field: 'data.store', exists: true },
        ({ data, store }) => ((data as Event | undefined)?.store ?? store ?? null) !== null,
      ],
      [{ field: 'country', exists: false }, ({ country }) => country === undefined || country === null],
      [{ field: 'order_id', prefix: 'o-1' }, ({ order_id }) => String(order_id).startsWith('o-1')],
      [{ field: 'data.note', contains: 'neighbour' }, ({ event_id }) => event_id === ODD_ID],
      [{ field: 'data.nested[].deep.er', eq: true }, ({ event_id }) => event_id === ODD_ID],
      [
        { not: { field: 'type', in: ['order.created', 'visit'] } },
        ({ type }) => !['order.created', 'visit'].includes(normal(type)),
      ],
      [
        {
          or: [
            { field: 'channel', eq: 'web' },
            {
              and: [
                { field: 'status', eq: 'done' },
                { field: 'country', ne: 'DE' },
              ],
            },
          ],
        },
        ({ channel, status, country }) => channel === 'web' || (status === 'done' && country !== 'DE'),
      ],
      [
        { field: 'time', range: { gte: '2025-03-28T02:00:00+02:00' } },
        ({ time }) => String(time) >= '2025-03-28T00:00:00.000Z',
      ],
    ];
    for (const [query, passes] of cases) {
      expect([query, await searched({ and: [query, old] })]).toEqual([
        query,
        idsWhere((event) => isOld(event) && passes(event)),
      ]);
    }
    expect(await searched(undefined, { text: 'neighbour no 12' })).toEqual([ODD_ID]);
    expect(await searched(undefined, { text: 'neighbour 13' })).toEqual([]);
  });
});

describe('a plan', () => {
  it('is given by dry_run and explain on every query', async () => {
    const kpis = {
      metrics: ['revenue'],
      ...ALL_TIME,
      group_by: ['status'],
      currency: 'EUR',
      filters: { currency: 'EUR' },
    };
    const dry = await service.post(TENANT, '/kpis/query', { ...kpis, dry_run: true });
    expect(dry.json).toMatchObject({
      dry_run: true,
      plan: { rows: expect.any(Number), runs: expect.any(String) },
    });
    expect(dry.json).not.toHaveProperty('groups');
    const explained = await service.post(TENANT, '/kpis/query?explain=true', kpis);
    expect(explained.json).toMatchObject({
      groups: expect.any(Array),
      explain: { scan: { rows: expect.any(Number) } },
    });
    const plan = { queries: expect.any(Array), rows: expect.any(Number), runs: expect.any(String) };
    const summary = await service.get(TENANT, '/kpis/summary?dry_run=true');
    expect(summary.json, summary.text).toMatchObject({ dry_run: true, plan, meta: { timezone: 'UTC' } });
    expect(summary.json).not.toHaveProperty('kpis');
    const told = await service.get(TENANT, '/kpis/summary?explain=true');
    expect(told.json, told.text).toMatchObject({ kpis: {}, explain: { queries: expect.any(Array) } });
    const both = {
      queries: [
        { id: 'a', ...kpis },
        { id: 'b', ...kpis, start: 'x' },
      ],
      dry_run: true,
    };
    const batch = await service.post(TENANT, '/kpis/batch', both);
    expect(batch.json, batch.text).toMatchObject({ dry_run: true, plan });
    expect((batch.json.plan as { queries: unknown[] }).queries).toEqual([expect.any(Object), null]);
    for (const member of ['dry_run', 'explain']) {
      const list = await service.get(TENANT, `/events?country=DE&${member}=true`);
      expect(list.json).toMatchObject({ dry_run: true, plan: { rows: expect.any(Number) } });
      const search = await service.post(TENANT, '/events/search', { text: 'x', [member]: true });
      expect(search.json).toMatchObject({ dry_run: true, plan: { confirmed_by_payload: true } });
    }
  });
});

describe('diagnostics', () => {
  it('list the types that no metric counts', async () => {
    const { json } = await service.get(TENANT, '/diagnostics');
    const newsletters = idsWhere(({ type }) => type === 'newsletter.opened').length;
    expect(json.uncounted_types).toMatchObject({
      types: [
        { type: 'newsletter.opened', count: newsletters },
        { type: 'parcel.lost', count: 1, nearest: null },
      ],
      ...{ types_total: 2, complete: true },
    });
  });
});

describe('an event behind the retention of the stream', () => {
  it('is listed without its payload, with the reason', async () => {
    const manager = await openManager(service.link);
    const { state } = await manager.streams.info('EVENTS');
    await manager.streams.purge('EVENTS', { seq: state.last_seq - 10 });
    const page = pageOf(await service.get(TENANT, '/events?type=order.created&limit=1000&order=asc'));
    expect(page.events.length).toBe(idsWhere(({ type }) => normal(type) === 'order.created').length);
    expect(page.events[0]).toMatchObject({ event_id: null, payload: null, payload_missing: 'retention' });
    // What the log knows by itself is found still, and counted.
    const revenue = await service.totals(TENANT, ['orders_count']);
    expect(Number(revenue.orders_count)).toBeGreaterThan(100);
  });
});
