import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { sizes } from '../../../test/long.ts';
import { PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;
interface Import {
  readonly import_id: string;
  readonly status: string;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly rejected: number;
  readonly progress: { readonly processed_rows: number; readonly total_rows: number | null };
  readonly errors: readonly {
    readonly line: number;
    readonly order_number: string | null;
    readonly message: string;
  }[];
  readonly error: { readonly code: string } | null;
}

let test: TestApi;
let admin: string;
let pump: NodeJS.Timeout;
let isPumping = false;

let applied = 0;

/** The pipeline of the test API moves by hand: this hand. */
async function step(): Promise<void> {
  if (isPumping) return;
  isPumping = true;
  try {
    applied = test.stream.messages.length;
    await test.apply();
  } finally {
    isPumping = false;
  }
}

/** All that was published is applied. */
async function settled(): Promise<void> {
  await vi.waitFor(() => expect(isPumping).toBe(false), PATIENTLY);
  await step();
}

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  admin = await test.key('admin');
  await test.send('/settings', { key: admin, method: 'PATCH', json: { currency: 'EUR' } });
  pump = setInterval(() => {
    if (test.stream.messages.length > applied) void step();
  }, 5);
});
afterAll(async () => {
  clearInterval(pump);
  await vi.waitFor(() => expect(isPumping).toBe(false), PATIENTLY);
  await test.close();
});

const HEAD = 'order_number,customer_email,item_name,item_quantity,item_price,payment_status,status';

function form(csv: string, fields: Readonly<Record<string, string>> = {}): FormData {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  made.set('file', new Blob([csv], { type: 'text/csv' }), 'orders.csv');
  return made;
}

async function post(
  body: FormData,
  key = admin,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  // The app takes requests, whose own headers name the boundary.
  const request = new Request('http://test.invalid/', { method: 'POST', body });
  return test.send('/api/v1/orders/bulk/import', {
    ...{ method: 'POST', key, body: Buffer.from(await request.arrayBuffer()) },
    headers: { ...headers, 'content-type': request.headers.get('content-type') ?? '' },
  });
}
async function start(csv: string, fields: Readonly<Record<string, string>> = {}): Promise<string> {
  const response = await post(form(csv, fields));
  const json = (await response.json()) as Import;
  expect(response.status, JSON.stringify(json)).toBe(202);
  return json.import_id;
}
async function status(id: string): Promise<Import> {
  const response = await test.send(`/api/v1/orders/bulk/import/${id}`, { key: admin });
  expect(response.status).toBe(200);
  return (await response.json()) as Import;
}
const ended = (id: string): Promise<Import> =>
  vi.waitFor(
    async () => {
      const now = await status(id);
      expect(['succeeded', 'failed', 'cancelled']).toContain(now.status);
      return now;
    },
    { timeout: 60_000 + 6 * sizes.import_rows, interval: 20 },
  );
const imported = async (csv: string, fields?: Readonly<Record<string, string>>): Promise<Import> =>
  ended(await start(csv, fields));

async function one(id: string): Promise<Json> {
  await settled();
  const response = await test.send(`/api/v1/orders/${id}`, { key: admin });
  return ((await response.json()) as { data: Json }).data;
}

describe('the import of orders', () => {
  it('creates orders, updates them, and says what is wrong by line', async () => {
    const csv = [
      `${HEAD},customer_first_name,item_sku,total,notes`,
      'A1,Ann@example.com,Shirt,2,10.50,paid,confirmed,Ann,s1,20.00,"Ring\ntwice"',
      'A2,bob@example.com,Socks,1,3.99,,,,,,',
      'A3,,Socks,1,3.99,,,,,,',
      'A4,bob@example.com,,1,3.99,,,,,,',
      'A5,bob@example.com,Socks,half,3.99,,,,,,',
      'A6,bob@example.com,Socks,1,3.999,,,,,,',
      'A7,bob@example.com,Socks,1,3,often,,,,,',
      'A2,bob@example.com,Socks,3,3.99,refunded,delivered,,,,',
    ].join('\n');
    const done = await imported(csv);
    expect(done).toMatchObject({
      ...{ status: 'succeeded', created: 2, updated: 0, superseded: 1, rejected: 5 },
      progress: { processed_rows: 8, total_rows: 8, percent: 100 },
    });
    expect(
      done.errors.map(({ line, order_number, message }) => `${line} ${order_number} ${message}`),
    ).toEqual([
      '5 A3 invalid_row: customer_phone or customer_email is required',
      '6 A4 invalid_row: item_name is required',
      '7 A5 invalid_row: item_quantity must be a whole number from 1 to 1000000',
      '8 A6 invalid_row: item_price: 3.999 has more decimals than EUR, which has 2',
      '9 A7 invalid_row: payment_status must be one of pending, paid, failed, refunded',
    ]);
    expect(await one('A1')).toMatchObject({
      ...{ id: 'A1', order_number: 'A1', status: 'confirmed', payment_status: 'paid', source: 'csv-import' },
      ...{ total: '20.00', subtotal: '21.00', discount: '1.00', paid: '20.00', notes: 'Ring\ntwice' },
      customer: { id: 'ann@example.com', name: 'Ann', email: 'ann@example.com' },
      items: [{ sku: 's1', name: 'Shirt', quantity: 2, price: '10.50' }],
    });
    expect(await one('A2')).toMatchObject({
      total: '11.97',
      status: 'delivered',
      payment_status: 'refunded',
    });
    const [before, events] = [await one('A2'), test.stream.messages.length];
    // The same file: nothing happens.
    expect(await imported(csv)).toMatchObject({
      created: 0,
      updated: 0,
      unchanged: 2,
      superseded: 1,
      rejected: 5,
    });
    expect(test.stream.messages.length).toBe(events);
    expect(await one('A2')).toEqual(before);
    // Another one, and the first again: what is imported last counts.
    const other = `${HEAD}\nA2,bob@example.com,Socks,5,3.99,,cancelled`;
    expect(await imported(other, { source: 'erp' })).toMatchObject({ updated: 1 });
    expect(await one('A2')).toMatchObject({ subtotal: '19.95', status: 'cancelled', source: 'erp' });
    expect(await imported(csv)).toMatchObject({ updated: 1, unchanged: 1 });
    expect(await one('A2')).toMatchObject({ subtotal: '11.97', status: 'delivered' });
  });

  it('refuses what is no such file', async () => {
    const refused = async (csv: string, fields: Readonly<Record<string, string>> = {}) => {
      const response = await post(form(csv, fields));
      const { code, errors } = (await response.json()) as { code: string; errors?: Json };
      return [response.status, code, Object.keys(errors ?? {})];
    };
    expect(await refused('order_number,item_name\nA,b')).toEqual([422, 'validation_failed', ['file']]);
    expect(await refused(`${HEAD},color\nA,a@b,c,1,1,,,red`)).toEqual([422, 'validation_failed', ['file']]);
    expect(await refused(HEAD)).toEqual([422, 'validation_failed', ['file']]);
    expect(await refused(`${HEAD}\nA,a@b,c,1,1,,`, { currency: 'euros' })).toEqual([
      ...[422, 'validation_failed'],
      ['currency'],
    ]);
    const json = await test.send('/api/v1/orders/bulk/import', { key: admin, json: {} });
    expect(json.status).toBe(415);
    const form422 = new FormData();
    form422.set('source', 'x');
    expect((await post(form422)).status).toBe(422);
    expect((await post(form(`${HEAD}\nA,a@b,c,1,1,,`), await test.key('viewer'))).status).toBe(403);
    const missing = await test.send('/api/v1/orders/bulk/import/job_1', { key: admin });
    expect([missing.status, ((await missing.json()) as Json).code]).toEqual([404, 'not_found']);
    const id = await start(`${HEAD}\nA9,a@b,c,1,1,,`);
    const stranger = await test.key('admin', { tenant: 'other' });
    expect((await test.send(`/api/v1/orders/bulk/import/${id}`, { key: stranger })).status).toBe(404);
    expect(await ended(id)).toMatchObject({ status: 'succeeded' });
    expect(await imported(`${HEAD}\nA10,,c,1,1,,`)).toMatchObject({
      ...{ status: 'failed', error: { code: 'nothing_accepted' } },
    });
  });

  it('repeats its answer for a key', async () => {
    const body = () => form(`${HEAD}\nK1,a@b,c,1,1,,`);
    const headers = { 'idempotency-key': 'k-1' };
    const first = (await (await post(body(), admin, headers)).json()) as Import;
    const again = (await (await post(body(), admin, headers)).json()) as Import;
    expect(again.import_id).toBe(first.import_id);
    expect((await post(form(`${HEAD}\nK2,a@b,c,1,1,,`), admin, headers)).status).toBe(422);
    await ended(first.import_id);
  });

  it('checks custom fields, which have columns of their own', async () => {
    for (const [field_key, field_type] of [
      ['weight', 'number'],
      ['gift', 'boolean'],
    ])
      await test.send('/api/v1/order-custom-fields', {
        ...{ key: admin, json: { field_key, field_label: field_key, field_type } },
      });
    const head = `${HEAD},custom_fields.weight,custom_fields.gift`;
    const done = await imported([head, 'F1,a@b,c,1,1,,,2.5,yes', 'F2,a@b,c,1,1,,,heavy,no'].join('\n'));
    expect(done).toMatchObject({ created: 1, rejected: 1, errors: [{ line: 3, order_number: 'F2' }] });
    expect(done.errors[0]?.message).toContain('bad_custom_field: data.custom_fields.weight');
    expect((await one('F1')).custom_fields).toEqual({ weight: 2.5, gift: true });
  });
});

const ROWS = sizes.import_rows;

/** Rows of which some are bad and some of an order that a later one says anew. */
function large(rows: number, prefix: string): string {
  const lines = Array.from({ length: rows }, (_, at) => {
    if (at % 97 === 5) return `${prefix}-${at},not an address,Socks,1,1.00,,`;
    const number = at % 50 === 7 ? at - 5 : at;
    return `${prefix}-${number},c${at % 300}@example.com,Item ${at % 20},${1 + (at % 3)},${1 + (at % 90)}.50,${at % 2 === 0 ? 'paid' : ''},`;
  });
  return [HEAD, ...lines].join('\n');
}

/** What the orders of a prefix are, without times. */
async function stateOf(prefix: string): Promise<readonly string[]> {
  await settled();
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await test.send(`/api/v1/orders?limit=1000&source=${prefix}${query}`, { key: admin });
    const page = (await response.json()) as { data: readonly Json[]; next_cursor: string | null };
    for (const { created_at: _, updated_at: __, source: ___, ...order } of page.data)
      found.push(JSON.stringify(order));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found.map((text) => text.replaceAll(`"${prefix}-`, '"')).sort();
}

describe('a large import', () => {
  it(
    'that is cancelled in the middle and done again, twice, gives the same state as one that runs through',
    async () => {
      const whole = await imported(large(ROWS, 'w'), { source: 'w' });
      expect(whole).toMatchObject({
        status: 'succeeded',
        progress: { processed_rows: ROWS, total_rows: ROWS },
      });
      const csv = large(ROWS, 'x');
      const first = await start(csv, { source: 'x' });
      await vi.waitFor(async () => expect((await status(first)).created).toBeGreaterThan(0), {
        ...{ timeout: 60_000, interval: 1 },
      });
      const cancelled = await test.send(`/api/v1/orders/bulk/import/${first}/cancel`, {
        ...{ method: 'POST', key: admin },
      });
      const stopped = cancelled.status === 200 ? await ended(first) : await status(first);
      const again = await imported(csv, { source: 'x' });
      expect(again.created + again.unchanged).toBe(whole.created);
      expect(again.unchanged).toBeGreaterThanOrEqual(stopped.created);
      expect(again).toMatchObject({ superseded: whole.superseded, rejected: whole.rejected, updated: 0 });
      const state = await stateOf('x');
      const other = new Set(await stateOf('w'));
      expect(state.filter((order) => !other.has(order)).slice(0, 3)).toEqual([]);
      expect(state).toHaveLength(whole.created);
      const events = test.stream.messages.length;
      expect(await imported(csv, { source: 'x' })).toMatchObject({ created: 0, unchanged: whole.created });
      expect(test.stream.messages.length).toBe(events);
      expect((await stateOf('x')).join('\n') === state.join('\n')).toBe(true);
    },
    120_000 + 20 * ROWS,
  );
});

describe('changes of many orders', () => {
  const act = async (path: string, json: unknown, key = admin) => {
    const response = await test.send(path, { key, json });
    return { status: response.status, json: (await response.json()) as Json };
  };

  it('are events, and errors of their rows where the state does not allow them', async () => {
    await imported(
      [
        HEAD,
        'B1,a@b,c,1,1,,',
        'B2,a@b,c,1,1,,confirmed',
        'B3,a@b,c,1,1,,delivered',
        'B4,a@b,c,1,1,,cancelled',
      ].join('\n'),
    );
    const order_ids = ['B1', 'B2', 'B3', 'nobody', 'B1'];
    const confirmed = await act('/api/v1/orders/bulk/status', { order_ids, status: 'confirmed' });
    expect(confirmed).toMatchObject({
      status: 200,
      json: {
        ...{ succeeded: 1, failed: 4 },
        results: [
          { order_id: 'B1', ok: true, status: 'confirmed' },
          { order_id: 'B2', ok: false, error: { code: 'wrong_state', message: 'it is confirmed already' } },
          { order_id: 'B3', ok: false, error: { code: 'wrong_state' } },
          { order_id: 'nobody', ok: false, error: { code: 'not_found' } },
          { order_id: 'B1', ok: false, error: { code: 'duplicate' } },
        ],
      },
    });
    const shipped = await act('/api/v1/orders/bulk/ship', {
      shipments: [
        { order_id: 'B1', tracking_number: 'T-1', carrier: 'UPS' },
        { order_id: 'B4', tracking_number: 'T-4' },
      ],
    });
    expect(shipped.json).toMatchObject({ succeeded: 1, failed: 1 });
    const cancelled = await act('/api/v1/orders/bulk/cancel', {
      order_ids: ['B1', 'B2'],
      reason: 'out of stock',
    });
    expect(cancelled.json).toMatchObject({
      ...{ succeeded: 1, failed: 1 },
      results: [
        { order_id: 'B1', error: { message: 'it is shipped: it cannot be cancelled any more' } },
        { order_id: 'B2', ok: true, status: 'cancelled' },
      ],
    });
    expect(await one('B1')).toMatchObject({ status: 'shipped' });
    expect(await one('B2')).toMatchObject({ status: 'cancelled' });
    const own = await act('/api/v1/orders/bulk/status', { order_ids: ['B3'], status: 'Returned' });
    expect(own.json).toMatchObject({ succeeded: 1 });
    expect(await one('B3')).toMatchObject({ status: 'returned' });
    const range = { start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };
    const kpis = await test.send('/kpis/query', {
      ...{
        key: admin,
        json: { ...range, metrics: ['orders_cancelled'], filters: { reason: 'out of stock' } },
      },
    });
    expect(await kpis.json()).toMatchObject({ groups: [{ totals: { orders_cancelled: 1 } }] });
  });

  it('say what is wrong with the request', async () => {
    const key = await test.key('viewer');
    const body = { order_ids: ['B1'], status: 'confirmed' };
    expect((await act('/api/v1/orders/bulk/status', body, key)).status).toBe(403);
    expect(await act('/api/v1/orders/bulk/status', { order_ids: [], status: 'x' })).toMatchObject({
      ...{ status: 422, json: { code: 'validation_failed' } },
    });
    expect((await act('/api/v1/orders/bulk/cancel', { order_ids: ['B1'] })).status).toBe(422);
    const url = { shipments: [{ order_id: 'B1', tracking_number: '1', tracking_url: 'no url' }] };
    expect((await act('/api/v1/orders/bulk/ship', url)).status).toBe(422);
  });
});

describe('the export of orders', () => {
  const file = async (json: unknown, key = admin): Promise<Response> =>
    test.send('/api/v1/orders/bulk/export', { key, json });

  it('is a CSV file of one state, whatever its size', async () => {
    await settled();
    const response = await file({
      filters: { source: 'w' },
      columns: ['order_number', 'total', 'customer_email'],
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
    const lines = (await response.text()).trimEnd().split('\r\n');
    expect(lines[0]).toBe('order_number,total,customer_email');
    const orders = (await stateOf('w')).map((text) => JSON.parse(text) as { id: string; total: string });
    expect(
      lines
        .slice(1)
        .map((line) => line.split(',').slice(0, 2).join(','))
        .sort(),
    ).toEqual(orders.map(({ id, total }) => `w-${id},${total}`).sort());
  });

  it('filters, and makes no formula of a text', async () => {
    await imported(`${HEAD}\n=1+1,a@b,c,1,1,,on_hold`);
    await settled();
    const response = await file({ filters: { status: 'on_hold' } });
    expect((await response.text()).split('\r\n')[1]).toMatch(
      /^'=1\+1,,1\.00,EUR,on_hold,pending,2025-09-01T/,
    );
    for (const [json, status] of [
      [{ columns: ['color'] }, 422],
      [{ filters: { state: 'x' } }, 422],
      [{ filters: { date_from: 'x' } }, 422],
    ] as const)
      expect((await file(json)).status).toBe(status);
    expect((await file({}, await test.key('viewer'))).status).toBe(403);
  });
});
