import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let api: TestApi;
let admin: string;

beforeAll(async () => {
  api = await startTestApi({ RATE_LIMIT_RPS: '100000', RATE_LIMIT_BURST: '100000' });
  admin = await api.key('admin');
});
afterAll(() => api.close());

async function publish(tenant: string, event: unknown): Promise<void> {
  const payload = Buffer.from(typeof event === 'string' ? event : JSON.stringify(event));
  await api.stream.publishAll([{ subject: `events.${tenant}.k`, payload }]);
}

async function ask(path: string, json?: unknown, key = admin): Promise<{ status: number; json: Json }> {
  const response = await api.send(path, { key, ...(json === undefined ? {} : { json }) });
  return { status: response.status, json: (await response.json()) as Json };
}

async function resend(body: unknown): Promise<Json> {
  const made = await ask('/dead-letters/resend', body);
  expect(made.status).toBe(202);
  return vi.waitFor(async () => {
    const { json } = await ask(`/jobs/${String(made.json.job_id)}`);
    if (json.status !== 'succeeded' && json.status !== 'failed') throw new Error('it runs');
    return json;
  }, PATIENTLY);
}

const lettersOf = async (query: string): Promise<readonly Json[]> =>
  (await ask(`/dead-letters?${query}`)).json.dead_letters as readonly Json[];

it('lists by filters, a page at a time, of the own tenant only', async () => {
  await publish('default', orderEvent('f1', { amount: 'x' }));
  await publish('default', orderEvent('f2', { amount: 'y', type: 'refund.issued' }));
  await publish('default', 'no json');
  await publish('other', orderEvent('f3', { amount: 'z' }));
  await api.apply();
  expect((await lettersOf('')).length).toBe(3);
  expect((await lettersOf('type=refund_issued')).map(({ type }) => type)).toEqual(['refund.issued']);
  expect((await lettersOf('reason=malformed_json')).map(({ payload }) => payload)).toEqual(['no json']);
  expect(await lettersOf('to=2025-09-01T12:00:00Z')).toEqual([]);
  expect((await lettersOf('from=2025-09-01T12:00:00Z')).length).toBe(3);
  const first = await ask('/dead-letters?limit=2');
  const cursor = encodeURIComponent(String(first.json.next_cursor));
  const second = await ask(`/dead-letters?limit=2&cursor=${cursor}`);
  expect([(first.json.dead_letters as []).length, (second.json.dead_letters as []).length]).toEqual([2, 1]);
  expect(second.json.next_cursor).toBeNull();
  expect((await ask(`/dead-letters?reason=bad_field&cursor=${cursor}`)).json.code).toBe('cursor_mismatch');
});

it('resends what is mended, says of the rest why not, and leaves it', async () => {
  await publish('default', orderEvent('r1', { country: 5, batch: 'r' }));
  await publish('default', orderEvent('r2', { country: 5, time: 'never', batch: 'r' }));
  await api.apply();
  const [group] = (await ask('/dead-letters/groups?type=order.created')).json.groups as readonly Json[];
  expect(group).toMatchObject({ reason: 'bad_field', count: 2 });
  const before = api.stream.messages.length;
  const body = { filter: { group: group?.group }, patch: { country: 'GB', batch: null } };
  const tried = await ask('/dead-letters/try', body);
  expect(tried.json).toMatchObject({ letters: 2, mended: 1, failed: 1 });
  expect(tried.json.failures).toMatchObject([{ code: 'bad_time', count: 1 }]);
  expect(api.stream.messages.length).toBe(before);
  const job = await resend(body);
  expect(job).toMatchObject({ status: 'succeeded', result: { mended: 1, events: 1, failed: 1 } });
  await api.apply();
  expect(JSON.parse(Buffer.from(api.stream.messages.at(-1)?.payload ?? []).toString())).toEqual(
    orderEvent('r1'),
  );
  const left = await lettersOf(`group=${String(group?.group)}`);
  expect(left.map(({ payload }) => (JSON.parse(String(payload)) as Json).event_id)).toEqual(['r2']);
  expect(await resend(body)).toMatchObject({ status: 'failed', error: { code: 'nothing_mended' } });
});

it('gives events without an id one that follows from their place, and only where that is asked for', async () => {
  await publish('default', { ...orderEvent('x', { note: 'nameless' }), event_id: undefined });
  await api.apply();
  const filter = { reason: 'missing_field' };
  const refused = await ask('/dead-letters/try', { filter });
  expect(refused.json.failures).toMatchObject([{ code: 'missing_field' }]);
  const tryNow = async (): Promise<unknown> => {
    const { json } = await ask('/dead-letters/try', { filter, assign_event_ids: true });
    return (json.results as readonly { events: readonly Json[] }[])[0]?.events[0]?.event_id;
  };
  const id = await tryNow();
  expect(id).toMatch(/^dl-[0-9a-f]{32}-0-0$/);
  expect(await tryNow()).toBe(id);
});

it('sends a conflict again under another id only', async () => {
  await publish('default', orderEvent('c1'));
  await publish('default', orderEvent('c1', { amount: 999 }));
  await api.apply();
  const filter = { reason: 'conflict' };
  const same = await ask('/dead-letters/try', { filter });
  expect(same.json.failures).toMatchObject([{ code: 'conflict' }]);
  const other = await ask('/dead-letters/try', { filter, patch: { event_id: 'c1-edited' } });
  expect(other.json).toMatchObject({ mended: 1, failed: 0 });
});

it('shows no payload to whom something of events is masked', async () => {
  const tenant = 'masked';
  const key = await api.key('admin', { tenant });
  await api.send('/settings', { key, method: 'PATCH', json: { pii_fields: ['customer_id'] } });
  await publish(tenant, orderEvent('m1', { amount: 'x', customer_id: 'secret-person' }));
  await api.apply();
  const viewer = await api.key('viewer', { tenant });
  const seen = JSON.stringify((await ask('/dead-letters', undefined, viewer)).json);
  expect(seen).toContain('bad_field');
  expect(seen).not.toContain('secret-person');
  expect(JSON.stringify((await ask('/dead-letters/groups', undefined, viewer)).json)).not.toContain(
    'secret-person',
  );
  expect((await ask('/dead-letters/try', { filter: {} }, viewer)).json.code).toBe('field_masked');
  expect(JSON.stringify((await ask('/dead-letters', undefined, key)).json)).toContain('secret-person');
});
