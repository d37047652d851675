import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };
type Json = Readonly<Record<string, unknown>>;

interface Page {
  readonly customers_total: number;
  readonly customers: readonly { readonly customer_id: string }[];
  readonly next_cursor: string | null;
}

async function send(...events: unknown[]): Promise<void> {
  expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
  await test.apply();
}

async function ask<T = Json>(path: string, json?: object, by = key): Promise<T> {
  const response = await test.send(path, { key: by, ...(json === undefined ? {} : { json }) });
  expect([path, response.status]).toEqual([path, json !== undefined && path === '/segments' ? 201 : 200]);
  return (await response.json()) as T;
}

/** Customers c0 to c9, who spend 100 to 1000. */
const shop = (): Promise<void> =>
  send(
    ...Array.from({ length: 10 }, (_, n) =>
      orderEvent(`e${n}`, {
        ...{ order_id: `o${n}`, customer_id: `c${n}`, amount: (n + 1) * 100 },
        country: n < 5 ? 'GB' : 'DE',
      }),
    ),
  );

const BIG = { measure: 'spend_net', gt: 500 };

describe('segments', () => {
  it('are asked for by rule, page by page of one state', async () => {
    await shop();
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Page = await ask('/customers/segment', {
        ...{ rule: BIG, limit: 2 },
        ...(cursor === null ? {} : { cursor }),
      });
      expect(page.customers_total).toBe(5);
      seen.push(...page.customers.map(({ customer_id }) => customer_id));
      cursor = page.next_cursor;
      test.clock.advance(120_000);
      await send(orderEvent(`late${seen.length}`, { customer_id: `late${seen.length}`, amount: 10_000 }));
    } while (cursor !== null);
    expect(seen.toSorted()).toEqual(['c5', 'c6', 'c7', 'c8', 'c9']);
  });

  it('are stored, listed, and filters and groups of other queries', async () => {
    await shop();
    const { id } = await ask('/segments', { name: 'big', rule: BIG });
    await ask('/segments', { name: 'british', rule: { order: 'last', filters: { country: 'GB' } } });
    const page = await ask<Page>(`/segments/${String(id)}/customers?limit=3`);
    expect(page).toMatchObject({ segment_id: id, name: 'big', customers_total: 5 });
    const next = await ask<Page>(`/segments/${String(id)}/customers?limit=3&cursor=${page.next_cursor}`);
    const all = [...page.customers, ...next.customers].map(({ customer_id }) => customer_id);
    expect(all.toSorted()).toEqual(['c5', 'c6', 'c7', 'c8', 'c9']);

    const metrics = ['orders_count', 'revenue_gross'];
    const kpis = async (more: object) =>
      (await ask('/kpis/query', { ...RANGE, metrics, ...more })) as { groups: { key: Json; totals: Json }[] };
    for (const segment of ['big', id, ['big'], { not: 'british' }])
      expect((await kpis({ filters: { segment } })).groups[0]?.totals).toEqual({
        ...{ orders_count: 5, revenue_gross: 4_000 },
      });
    const { groups } = await kpis({ group_by: ['segment'] });
    expect(groups.map(({ key: of, totals }) => [of.segment, totals.orders_count])).toEqual(
      expect.arrayContaining([
        ['big', 5],
        ['british', 5],
      ]),
    );
    const named = await kpis({ group_by: ['segment'], filters: { segment: ['big'] } });
    expect(named.groups.map(({ key: of }) => of.segment)).toEqual(['big']);
    const batch = (await ask('/kpis/batch', {
      queries: [
        { id: 'with', ...RANGE, metrics, filters: { segment: 'big' } },
        { id: 'without', ...RANGE, metrics },
        { id: 'unknown', ...RANGE, metrics, filters: { segment: 'nobody' } },
      ],
    })) as { results: Json[] };
    expect(batch.results).toMatchObject([
      { groups: [{ totals: { orders_count: 5 } }] },
      { groups: [{ totals: { orders_count: 10 } }] },
      { problem: { code: 'unknown_segment' } },
    ]);

    const filters = { segment: 'big' };
    expect(await ask('/customers/rfm', { ...RANGE, filters })).toMatchObject({ customers_total: 5 });
    expect(await ask('/customers/ltv', { ...RANGE, filters })).toMatchObject({ customers_total: 5 });
    const start = { event: 'order.created', filters };
    const criteria = { type: 'event', start, bucket: 'month' };
    expect(await ask('/cohorts/adhoc-retention', { ...RANGE, criteria })).toMatchObject({ size: 5 });
    expect(await ask('/attribution/query', { ...RANGE, method: 'linear', filters })).toMatchObject({
      totals: { conversions: 5 },
    });
    const steps = [{ event: 'order.created' }, { event: 'order.paid' }];
    expect(await ask('/funnels/adhoc', { ...RANGE, steps, filters })).toMatchObject({
      steps: [{ count: 5 }, { count: 0 }],
    });
    const dry = await ask('/kpis/query?dry_run=true', { ...RANGE, metrics, filters });
    expect(dry).toMatchObject({ dry_run: true, plan: { rows: 10 } });
    // What comes in is in the segment with the next answer.
    await send(orderEvent('more', { customer_id: 'c0', amount: 900 }));
    expect((await kpis({ filters })).groups[0]?.totals).toMatchObject({ orders_count: 7 });
  });

  it('are filters of the steps of stored funnels', async () => {
    await shop();
    const steps = [{ event: 'order.created', filters: { segment: 'big' } }, { event: 'order.paid' }];
    const unknown = await test.send('/funnels', { key, json: { name: 'f', steps } });
    expect([unknown.status, await codeOf(unknown)]).toEqual([422, 'validation_failed']);
    await ask('/segments', { name: 'big', rule: BIG });
    const { id } = (await (await test.send('/funnels', { key, json: { name: 'f', steps } })).json()) as Json;
    // The pipeline leaves it to scans, and says so.
    const state = async (): Promise<unknown> =>
      ((await ask(`/funnels/${String(id)}`)) as { state: unknown }).state;
    await vi.waitFor(async () => {
      await test.apply();
      expect(await state()).toMatchObject({ status: 'refused', reason: { code: 'segments_not_kept' } });
    }, PATIENTLY);
    const query = { ...RANGE, explain: true };
    expect(await ask(`/funnels/${String(id)}/query`, query)).toMatchObject({
      ...{ entered: 5, converted: 0, meta: { source: 'scan' } },
      explain: { not_incremental: 'its steps go by segments' },
    });
    expect(await ask(`/funnels/${String(id)}/entities?step=1`)).toMatchObject({ total: 5 });
    // Customers are those of when it is asked.
    await send(orderEvent('more', { customer_id: 'c0', amount: 900 }));
    expect(await ask(`/funnels/${String(id)}/query`, RANGE)).toMatchObject({ entered: 6 });
  });

  it('stay while a stored funnel, query or rule names them, under the name that it uses', async () => {
    const big = (await ask('/segments', { name: 'big', rule: BIG })) as Json;
    const path = `/segments/${String(big.id)}`;
    const rename = { method: 'PATCH', key, json: { name: 'huge' } };
    const filters = { segment: { not: 'big' } };
    const funnel = { name: 'f', steps: [{ event: 'order.created', filters }, { event: 'order.paid' }] };
    const query = { name: 'q', type: 'kpis', query: { ...RANGE, metrics: ['revenue'], filters } };
    for (const [users, body] of [
      ['/funnels', funnel],
      ['/queries', query],
    ] as const) {
      const made = await test.send(users, { key, json: body });
      expect([users, made.status]).toEqual([users, 201]);
      const { id } = (await made.json()) as Json;
      for (const request of [{ method: 'DELETE', key }, rename]) {
        const refused = await test.send(path, request);
        expect([users, refused.status, await codeOf(refused)]).toEqual([users, 409, 'definition_in_use']);
      }
      expect((await test.send(path, { method: 'PATCH', key, json: { rule: BIG } })).status).toBe(200);
      expect((await test.send(`${users}/${String(id)}`, { method: 'DELETE', key })).status).toBe(204);
    }
    expect((await test.send(path, rename)).status).toBe(200);
    expect((await test.send(path, { method: 'DELETE', key })).status).toBe(204);
  });

  it('are filters of a summary, drivers of refunds, and groups of the entities of a funnel', async () => {
    await shop();
    await ask('/segments', { name: 'big', rule: BIG });
    await ask('/segments', { name: 'british', rule: { order: 'last', filters: { country: 'GB' } } });
    const { start, end } = RANGE;
    const orders = async (more: string): Promise<unknown> =>
      ((await ask(`/kpis/summary?${more}`)).kpis as { orders_count: Json }).orders_count;
    const range = `start=${start}&end=${end}`;
    expect(await orders(range)).toMatchObject({ current: 10, previous: 0 });
    expect(await orders(`${range}&segment=big`)).toMatchObject({ current: 5, previous: 0 });
    expect(await orders(`${range}&segment=big,british`)).toMatchObject({ current: 10 });
    // Of today so far, the customers are those of now.
    expect(await orders('segment=big')).toMatchObject({ current: 5, previous: 0 });
    expect((await test.send('/kpis/summary?segment=nobody', { key })).status).toBe(422);
    const refunds = await ask('/refunds/impact', { ...RANGE, drivers: ['segment'] });
    expect((refunds.drivers as { segment: Json }).segment).toMatchObject({
      values: [
        { value: 'big', gross: 4_000 },
        { value: 'british', gross: 1_500 },
      ],
    });
    const steps = [{ event: 'order.created' }, { event: 'order.paid' }];
    const created = await test.send('/funnels', { key, json: { name: 'f', steps, window: '1d' } });
    const { id } = (await created.json()) as { id: string };
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const more = cursor === '' ? '' : `&cursor=${cursor}`;
      const page = (await ask(
        `/funnels/${id}/entities?group_by=segment&group=big&limit=2${more}`,
      )) as unknown as {
        total: number;
        entities: { id: string }[];
        next_cursor: string | null;
      };
      expect(page.total).toBe(5);
      seen.push(...page.entities.map((entity) => entity.id));
      cursor = page.next_cursor;
      test.clock.advance(120_000);
    }
    expect(seen.toSorted()).toEqual(['c5', 'c6', 'c7', 'c8', 'c9']);
    const definition = { name: 'g', steps: [{ event: 'visit', filters: { segment: 'nobody' } }, ...steps] };
    expect(await codeOf(await test.send('/funnels', { key, json: definition }))).toBe('validation_failed');
  });

  it('are looked for once in one state of one definition', async () => {
    await shop();
    const { id } = await ask('/segments', { name: 'big', rule: BIG });
    const all = await test.key('admin', { tenants: '*' });
    const lookups = async (): Promise<number[]> => {
      const text = await (await test.send('/metrics', { key: all })).text();
      return ['hit', 'miss'].map((result) =>
        Number(new RegExp(`segment_sets_lookups_total\\{result="${result}"\\} (\\d+)`).exec(text)?.[1]),
      );
    };
    const filters = { segment: 'big' };
    const totals = async (more: object = {}) =>
      (
        (await ask('/kpis/query', { ...RANGE, metrics: ['orders_count'], filters, ...more })) as unknown as {
          groups: { totals: { orders_count: number } }[];
        }
      ).groups[0]?.totals.orders_count;
    expect(await totals()).toBe(5);
    expect(await lookups()).toEqual([0, 1]);
    expect(await ask('/customers/rfm', { ...RANGE, filters })).toMatchObject({ customers_total: 5 });
    expect(await totals()).toBe(5);
    expect(await lookups()).toEqual([2, 1]);
    // Another end, another state, another rule: each is another set.
    expect(await totals({ end: '2025-09-03T00:00:00Z' })).toBe(5);
    const position = { EVENTS: { 0: (await test.stream.head()).sequence } };
    await send(orderEvent('more', { customer_id: 'c0', amount: 900 }));
    expect(await totals()).toBe(7);
    for (let n = 0; n < 2; n++) expect(await totals({ as_of: position })).toBe(5);
    const patched = await test.send(`/segments/${String(id)}`, {
      ...{ key, method: 'PATCH', json: { rule: { measure: 'spend_net', gt: 900 } } },
    });
    expect(patched.status).toBe(200);
    expect(await totals()).toBe(3);
    expect(await lookups()).toEqual([3, 5]);
  });

  it('are of one tenant, and refused by name where they are not', async () => {
    await shop();
    await ask('/segments', { name: 'big', rule: BIG });
    const stranger = await test.key('admin', { tenant: 'other' });
    const query = { ...RANGE, metrics: ['orders_count'] };
    const refused = async (path: string, json: object, by = key) =>
      codeOf(await test.send(path, { key: by, json }));
    expect(await refused('/kpis/query', { ...query, filters: { segment: 'big' } }, stranger)).toBe(
      'unknown_segment',
    );
    expect(await refused('/customers/rfm', { ...RANGE, filters: { segment: ['big', 'x'] } })).toBe(
      'unknown_segment',
    );
    expect(await refused('/segments', { name: 'bad', rule: { measure: 'shoes', gt: 1 } })).toBe(
      'validation_failed',
    );
    expect(await refused('/customers/segment', { rule: { and: [] } })).toBe('validation_failed');
    expect(await refused('/customers/segment', { rule: BIG, cursor: 'x' })).toBe('invalid_cursor');
    expect(await codeOf(await test.send('/segments/segment_x/customers', { key }))).toBe('not_found');
    for (let n = 0; n < 16; n++) await ask('/segments', { name: `s${n}`, rule: BIG });
    expect(await refused('/kpis/query', { ...query, group_by: ['segment'] })).toBe('too_many_groups');
  });
});
