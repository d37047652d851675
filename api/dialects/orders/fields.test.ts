import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let admin: string;
let next = 0;

const PATH = '/api/v1/order-custom-fields';
const PRIORITY = {
  ...{ field_key: 'priority_level', field_label: 'Priority Level', field_type: 'select' },
  ...{ options: ['low', 'high'], is_required: true, sort_order: 1 },
};
const order = (custom_fields: unknown, type = 'order.created'): Json => ({
  ...{ event_id: `e-${++next}`, type, time: '2025-08-01T10:00:00Z', order_id: `o-${next}` },
  ...{ currency: 'EUR', amount: 100, ...(custom_fields === undefined ? {} : { data: { custom_fields } }) },
});

async function sent(json: unknown): Promise<Json> {
  return (await (await test.send('/ingest', { key: admin, json })).json()) as Json;
}
const make = async (field: Json): Promise<Json & { readonly id: string }> => {
  const response = await test.send(PATH, { key: admin, json: field });
  expect(response.status).toBe(201);
  return (await response.json()) as Json & { readonly id: string };
};

beforeAll(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
});
afterAll(() => test.close());

describe('custom fields of orders', () => {
  it('check nothing before there is one', async () => {
    expect(await sent([order({ color: 'red' })])).toMatchObject({ accepted: 1 });
  });

  it('are made, listed, changed and deleted', async () => {
    const made = await make(PRIORITY);
    expect(made).toMatchObject({ ...PRIORITY, name: 'priority_level', is_filterable: false, filter: 'none' });
    const list = await (await test.send(PATH, { key: admin })).json();
    expect(list).toMatchObject({ order_custom_fields: [{ id: made.id }], next_cursor: null });
    const patched = await test.send(`${PATH}/${made.id}`, {
      ...{ key: admin, method: 'PATCH', json: { options: ['low', 'high', 'urgent'] } },
    });
    expect(await patched.json()).toMatchObject({ options: ['low', 'high', 'urgent'] });
    const other = await make({ field_key: 'gone', field_label: 'Gone', field_type: 'text' });
    expect((await test.send(`${PATH}/${other.id}`, { key: admin, method: 'DELETE' })).status).toBe(204);
    for (const [json, member] of [
      [{ ...PRIORITY, field_key: 'Bad Key' }, 'name field_key'],
      [{ ...PRIORITY, field_key: 'x', options: undefined }, 'options'],
      [{ field_key: 'x', field_label: 'X', field_type: 'text', options: ['a'] }, 'options'],
      [{ field_key: 'x', field_label: 'X', field_type: 'color' }, 'field_type'],
    ] as const) {
      const refused = await test.send(PATH, { key: admin, json });
      const { code, errors } = (await refused.json()) as { code: string; errors: Json };
      expect([refused.status, code, Object.keys(errors).join(' ')]).toEqual([
        422,
        'validation_failed',
        member,
      ]);
    }
    expect((await test.send(PATH, { key: admin, json: PRIORITY })).status).toBe(409);
    expect((await test.send(PATH, { key: await test.key('viewer'), json: PRIORITY })).status).toBe(403);
    const renamed = { key: admin, method: 'PATCH', json: { field_key: 'other' } };
    expect((await test.send(`${PATH}/${made.id}`, renamed)).status).toBe(422);
  });

  it('check the orders that come by HTTP', async () => {
    for (const [field_key, field_type] of [
      ...[['note', 'text'] as const, ['weight', 'number'] as const],
      ...[['gift', 'boolean'] as const, ['due', 'date'] as const],
    ])
      await make({ field_key, field_label: field_key, field_type });
    const good = { priority_level: 'high', note: 'x', weight: 1.5, gift: false, due: '2025-02-28' };
    expect(await sent([order(good), order({ note: null }, 'order.updated')])).toMatchObject({ accepted: 2 });
    const wrong = [
      ...[
        { ...good, color: 'red' },
        { ...good, priority_level: 'later' },
        { ...good, weight: '1.5' },
      ],
      ...[
        { ...good, gift: 'yes' },
        { ...good, due: '2025-02-30' },
        { ...good, note: 7 },
        { note: 'x' },
        'none',
      ],
    ];
    const { rejected } = (await sent(wrong.map((fields) => order(fields)))) as {
      rejected: readonly { readonly reason: string }[];
    };
    expect(rejected.map(({ reason }) => reason.split(': ').slice(0, 2).join(': '))).toEqual(
      ['color', 'priority_level', 'weight', 'gift', 'due', 'note', 'priority_level']
        .map((key) => `bad_custom_field: data.custom_fields.${key}`)
        .concat('bad_custom_field: data.custom_fields'),
    );
    const one = await test.send('/ingest', { key: admin, json: order(undefined) });
    expect([one.status, ((await one.json()) as Json).code]).toEqual([422, 'invalid_event']);
    // Other events may say what they like.
    expect(await sent([order({ color: 'red' }, 'order.shipped')])).toMatchObject({ accepted: 1 });
    const checked = await test.send('/ingest/validate', { key: admin, json: [order({ ...good, gift: 1 })] });
    expect(await checked.json()).toMatchObject({ events: [{ valid: false, code: 'bad_custom_field' }] });
  });

  it('make dead letters of those that come another way', async () => {
    // Definitions reach the task with a commit.
    await test.apply();
    const bytes = (event: Json): Uint8Array => new TextEncoder().encode(JSON.stringify(event));
    const [bad, good] = [order({ priority_level: 'never' }), order({ priority_level: 'low' })];
    await test.ports.events.publishAll(
      [bad, good].map((event) => ({
        ...{ subject: 'events.default.x', payload: bytes(event), id: String(event.event_id) },
      })),
    );
    await test.apply();
    const found = await test.send('/dead-letters', { key: admin });
    const { dead_letters } = (await found.json()) as { dead_letters: readonly Json[] };
    expect(JSON.stringify(dead_letters)).toContain('bad_custom_field');
    expect(dead_letters).toHaveLength(1);
    expect((await test.send(`/api/v1/orders/${String(good.order_id)}`, { key: admin })).status).toBe(200);
    expect((await test.send(`/api/v1/orders/${String(bad.order_id)}`, { key: admin })).status).toBe(404);
  });
});
