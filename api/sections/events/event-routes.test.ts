import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf, startTestApi, type TestApi } from '../../fixture-api.ts';
import { FinderFixture, type TestEvent } from './fixture-finder.ts';

interface EventsAnswer {
  readonly events: readonly {
    readonly event_id: string | null;
    readonly payload: TestEvent | null;
    readonly payload_missing?: string;
    readonly [member: string]: unknown;
  }[];
  readonly next_cursor: string | null;
  readonly meta: {
    readonly position: unknown;
    readonly warnings: readonly string[];
    readonly scanned: { readonly complete: boolean; readonly payloads_read: number; readonly rows: number };
  };
}

const COUNT = 60;
let api: TestApi;
let events: FinderFixture;
let key: string;

async function publish(tenant: string, event: TestEvent): Promise<void> {
  const payload = Buffer.from(JSON.stringify(event));
  const { sequences } = await api.stream.publishAll([{ subject: `events.${tenant}.test`, payload }]);
  events.add(tenant, event, sequences[0] as number);
}

const bodyOf = (at: number): TestEvent => ({
  event_id: `e/${at} é`,
  type: at % 2 === 0 ? 'Order_Created' : 'visit',
  time: new Date(Date.UTC(2025, 8, 1, 0, at)).toISOString(),
  order_id: `o-${at % 7}`,
  customer_id: `c-${at % 3}`,
  session_id: `s-${at % 4}`,
  source: at % 5 === 0 ? 'till' : 'shop',
  country: at % 3 === 0 ? 'GB' : 'DE',
  currency: 'gbp',
  amount: at,
  items: [{ sku: `k-${at % 4}`, quantity: 1, unit_price: 5 }],
  data: { note: `Parcel no.${at}: number ${at}` },
});

beforeAll(async () => {
  api = await startTestApi({ RATE_LIMIT_RPS: '100000' });
  events = new FinderFixture();
  Object.assign(api.ports, { finder: () => events.parts });
  key = await api.key('viewer', { tenant: 'a' });
  for (let at = 0; at < COUNT; at++) await publish(at % 10 === 9 ? 'b' : 'a', bodyOf(at));
  await api.apply();
});
afterAll(() => api.close());

const get = async (path: string): Promise<EventsAnswer> => {
  const response = await api.send(path, { key });
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as EventsAnswer;
};

const search = async (json: object): Promise<EventsAnswer> => {
  const response = await api.send('/events/search', { key, json });
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as EventsAnswer;
};

const idsOf = (answer: EventsAnswer): (string | null)[] => answer.events.map(({ event_id }) => event_id);
const expectedIds = (
  passes: (event: TestEvent) => boolean,
  order: 'asc' | 'desc' = 'desc',
): readonly string[] => events.expected('a', order, passes);

describe('GET /events', () => {
  it('lists the events of the tenant with all that they are, the newest first', async () => {
    const answer = await get('/events?limit=2');
    expect(idsOf(answer)).toEqual(['e/58 é', 'e/57 é']);
    expect(answer.events[0]).toEqual({
      event_id: 'e/58 é',
      type: 'order.created',
      time: '2025-09-01T00:58:00.000Z',
      position: { EVENTS: { 0: 59 } },
      part: 0,
      order_id: 'o-2',
      customer_id: 'c-1',
      session_id: 's-2',
      currency: 'GBP',
      dimensions: { source: 'shop', country: 'DE' },
      amounts: { amount: 58, discount: null, shipping: null, tax: null },
      payload: bodyOf(58),
    });
    expect(answer.meta.position).toEqual({ EVENTS: { 0: COUNT } });
    expect(answer.meta.scanned.complete).toBe(true);
  });

  const filters: readonly [string, (event: TestEvent) => boolean][] = [
    ['order_id=o-3', ({ order_id }) => order_id === 'o-3'],
    ['customer_id=c-1', ({ customer_id }) => customer_id === 'c-1'],
    ['session_id=s-1', ({ session_id }) => session_id === 's-1'],
    ['type=ORDER-created', ({ type }) => type === 'Order_Created'],
    ['type=order.placed', ({ type }) => type === 'Order_Created'],
    ['source=till', ({ source }) => source === 'till'],
    ['country=GB', ({ country }) => country === 'GB'],
    ['currency=Gbp', () => true],
    ['sku=k-2', ({ items }) => (items as TestEvent[])[0]?.sku === 'k-2'],
    ['from=2025-09-01T00:20:00Z', ({ amount }) => Number(amount) >= 20],
    ['to=2025-09-01T00:20:59Z', ({ amount }) => Number(amount) <= 20],
    ['to=2025-09-01T02:20:00%2B02:00', ({ amount }) => Number(amount) < 20],
    ['as_of=30', ({ amount }) => Number(amount) < 30],
    ['warehouse=unheard', () => false],
    ['country=GB&type=visit&order=asc', ({ country, type }) => country === 'GB' && type === 'visit'],
  ];
  it.each(filters)('filters by %s', async (filter, passes) => {
    const expected = expectedIds(passes, filter.includes('asc') ? 'asc' : 'desc');
    expect(idsOf(await get(`/events?${filter}`))).toEqual(expected);
  });

  it('gives pages that stay as they are while events arrive', async () => {
    const expected = expectedIds(({ type }) => type === 'visit');
    const ids: (string | null)[] = [];
    let cursor = '';
    let later = 0;
    do {
      const page = await get(`/events?type=visit&limit=5${cursor}`);
      ids.push(...idsOf(page));
      cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`;
      await publish('a', { ...bodyOf(1), event_id: `late-${++later}`, customer_id: 'c-late' });
      await api.apply();
    } while (cursor !== '');
    expect(ids).toEqual(expected);
    expect(idsOf(await get('/events?customer_id=c-late')).length).toBe(later);
  });

  it('refuses a cursor of another filter, tenant or maker', async () => {
    const { next_cursor } = await get('/events?country=GB&limit=1');
    const other = await api.send(`/events?country=DE&limit=1&cursor=${next_cursor}`, { key });
    expect([other.status, await codeOf(other)]).toEqual([422, 'cursor_mismatch']);
    const tenantB = await api.send(`/events?country=GB&limit=1&cursor=${next_cursor}`, {
      key: await api.key('viewer', { tenant: 'b' }),
    });
    expect(await codeOf(tenantB)).toBe('cursor_mismatch');
    expect(await codeOf(await api.send('/events?cursor=AAAA', { key }))).toBe('invalid_cursor');
  });

  it('says what is wrong with a question', async () => {
    for (const [path, code] of [
      ['/events?from=yesterday', 'invalid_range'],
      ['/events?from=2025-09-01T00:00:00Z&to=2025-09-01T00:00:00Z', 'invalid_range'],
      ['/events?limit=1001', 'validation_failed'],
      ['/events?custommer_id=x', 'validation_failed'],
      ['/events?as_of={"OTHER":{"0":1}}', 'position_unknown'],
    ] as const) {
      const response = await api.send(path, { key });
      expect([response.status, await codeOf(response)], path).toEqual([422, code]);
    }
    const ingest = await api.send('/events', { key: await api.key('ingest', { tenant: 'a' }) });
    expect(await codeOf(ingest)).toBe('role_forbidden');
  });

  it('answers its plan without reading', async () => {
    const before = events.scans;
    const response = await api.send('/events?order_id=o-1&explain=true', { key });
    const { dry_run, plan } = (await response.json()) as { dry_run: boolean; plan: TestEvent };
    expect(dry_run).toBe(true);
    expect(plan).toMatchObject({
      confirmed_by_payload: false,
      explain: { column_tests: [{ column: 'order' }] },
    });
    expect(events.scans).toBe(before);
  });
});

describe('GET /events/{eventId}', () => {
  it('finds an event by its id, percent-encoded', async () => {
    const response = await api.send(`/events/${encodeURIComponent('e/12 é')}`, { key });
    const event = (await response.json()) as TestEvent;
    expect(event).toMatchObject({
      event_id: 'e/12 é',
      payload: bodyOf(12),
      meta: { scanned: { complete: true } },
    });
  });

  it('finds none of another tenant, and none that is not there', async () => {
    for (const id of ['e/9 é', 'nobody']) {
      const response = await api.send(`/events/${encodeURIComponent(id)}`, { key });
      expect([response.status, await codeOf(response)]).toEqual([404, 'not_found']);
    }
  });
});

describe('POST /events/search', () => {
  it('searches by a condition and by words', async () => {
    const query = {
      and: [
        { field: 'amount', range: { gte: 10, lt: 40 } },
        { field: 'items[].sku', eq: 'k-1' },
      ],
    };
    const text = 'PARCEL no.2';
    const expected = expectedIds(({ amount, items, data }) => {
      const isRight = Number(amount) >= 10 && Number(amount) < 40 && (items as TestEvent[])[0]?.sku === 'k-1';
      return isRight && String((data as TestEvent).note).includes('no.2');
    });
    expect(expected.length).toBe(2);
    const answer = await search({ query, text, to: '2025-09-02T00:00:00Z' });
    expect(idsOf(answer)).toEqual(expected);
  });

  it('goes on where its limit ended it', async () => {
    const body = {
      query: { field: 'data.note', contains: 'number 3' },
      max_scan: 7,
      from: '2025-09-01T00:02:00Z',
    };
    const ids: (string | null)[] = [];
    let [rounds, cursor]: [number, string | null | undefined] = [0, undefined];
    while (cursor !== null) {
      const answer = await search({ ...body, ...(cursor === undefined ? {} : { cursor }) });
      ids.push(...idsOf(answer));
      cursor = answer.next_cursor;
      expect(answer.meta.scanned.payloads_read).toBeLessThanOrEqual(7);
      if (cursor !== null) {
        expect(answer.meta.scanned.complete).toBe(false);
        expect(answer.meta.warnings.length).toBe(1);
      }
      rounds++;
    }
    expect(ids).toEqual(expectedIds(({ data }) => /number 3/.test(String((data as TestEvent).note))));
    expect(rounds).toBeGreaterThan(5);
  });

  it('refuses what is no condition, with the place', async () => {
    const deep = Array.from({ length: 20 }).reduce<object>((inner) => ({ not: inner }), {
      field: 'a',
      eq: 1,
    });
    const cases: readonly (readonly [unknown, string])[] = [
      [{ field: 'a' }, 'query'],
      [{ field: 'a', eq: 1, in: [1] }, 'query'],
      [{ field: 'a..b', eq: 1 }, 'query.field'],
      [{ and: [{ field: 'a', eq: 1 }, { or: [] }] }, 'query.and.1.or'],
      [{ field: 'a', eq: null }, 'query.eq'],
      [{ field: 'a', in: [1, { b: 2 }] }, 'query.in.1'],
      [{ field: 'a', range: { from: 1 } }, 'query.range'],
      [{ field: 'a', range: { gt: 1, lt: 'b' } }, 'query.range'],
      [{ field: 'time', range: { gt: 'noon' } }, 'query.range.gt'],
      [{ field: 'time', prefix: '2025' }, 'query'],
      [deep, `query${'.not'.repeat(16)}`],
      [{ and: Array.from({ length: 300 }, () => ({ field: 'a', eq: 1 })) }, 'query.and.255'],
      ['order.created', 'query'],
    ];
    for (const [query, path] of cases) {
      const response = await api.send('/events/search', { key, json: { query } });
      expect(response.status, path).toBe(422);
      const { errors } = (await response.json()) as { errors: { path: string }[] };
      expect(errors[0]?.path).toBe(path);
    }
    const unsafe = '{"query": {"field": "data.ticket", "eq": 820982911946154508}}';
    const response = await api.send('/events/search', { key, method: 'POST', body: unsafe });
    expect([response.status, await codeOf(response)]).toEqual([422, 'validation_failed']);
  });

  it('keeps the digits of numbers, and finds them as text', async () => {
    const text =
      '{"event_id":"big","type":"visit","time":"2025-09-01T10:00:00Z","data":{"ticket":820982911946154508}}';
    const payload = Buffer.from(text);
    const { sequences } = await api.stream.publishAll([{ subject: 'events.a.test', payload }]);
    events.add('a', JSON.parse(text) as TestEvent, sequences[0] as number, text);
    await api.apply();
    const json = { query: { field: 'data.ticket', eq: '820982911946154508' } };
    const response = await api.send('/events/search', { key, json });
    expect(await response.text()).toContain('"ticket":820982911946154508');
    const other = { query: { field: 'data.ticket', eq: '820982911946154509' } };
    expect(idsOf(await search(other))).toEqual([]);
  });
});

describe('limits', () => {
  it('lets one tenant search three times at once', async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { selector } = events.parts;
    const select = async (...asked: Parameters<typeof selector.select>) => {
      await gate;
      return selector.select(...asked);
    };
    const held = { ...events.parts, selector: { ...selector, select } };
    Object.assign(api.ports, { finder: () => held });
    const running = [1, 2, 3].map(() => api.send('/events', { key }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const fourth = await api.send('/events', { key });
    expect([fourth.status, await codeOf(fourth)]).toEqual([429, 'too_busy']);
    open();
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await api.send('/events', { key })).status).toBe(200);
  });

  it('says that events cannot be read before they can', async () => {
    Object.assign(api.ports, { finder: () => undefined });
    const response = await api.send('/events', { key });
    expect([response.status, await codeOf(response)]).toEqual([503, 'state_not_ready']);
  });
});
