import { describe, expect, it, vi } from 'vitest';
import {
  admin,
  ended,
  form,
  HEAD,
  type Import,
  imported,
  type Json,
  large,
  one,
  post,
  ROWS,
  start,
  stateOf,
  status,
  test,
  useImports,
} from './fixture-imports.ts';

useImports();

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
    // Nothing, a quote in the wrong place, one that never ends, and bytes that are no text.
    for (const rubbish of ['', 'q"x,y\n1,2', `${HEAD}\nA,a@b,"c,1,1,,`, '\0\u0001"\uFFFD\n'])
      expect(await refused(rubbish), rubbish).toEqual([422, 'validation_failed', ['file']]);
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
