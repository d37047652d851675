import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { codeOf, PATIENTLY, startTestApi, type TestApi } from './fixture-api.ts';
import { fakeBackfill } from './fixture-backfill.ts';
import { type Json, type OpenApi, openApiOf, World } from './fixture-operations.ts';
import { auditedAs } from './http/index.ts';

/** The audit log, over every operation. */

interface Entry {
  readonly operation: string;
  readonly action: string;
  readonly resource: string;
  readonly query: string | null;
  readonly actor: { readonly key_id: string; readonly name: string; readonly role: string };
  readonly outcome: { readonly status: number; readonly code: string | null };
  readonly request_id: string;
}

const GENEROUS = { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' };
let test: TestApi;
let openApi: OpenApi;
let world: World;

beforeAll(async () => {
  test = await startTestApi(GENEROUS, fakeBackfill());
  openApi = await openApiOf(test);
  world = await World.of(test, openApi, 'a');
});
afterAll(() => test.close());

async function entries(key: string, query = ''): Promise<Entry[]> {
  const response = await test.send(`/audit?limit=1000${query}`, { key });
  expect(response.status).toBe(200);
  return ((await response.json()) as { entries: Entry[] }).entries;
}

/** What lasts, of all tenants, beside the audit log. */
async function kept(): Promise<string> {
  const [definitions, jobs] = await Promise.all(
    [test.definitions, test.ports.jobs.records].map((store) => store.list()),
  );
  // Jobs that run change by themselves.
  return JSON.stringify([definitions, jobs?.map(({ key }) => key), test.stream.messages.length]);
}

/** No job runs: those change things by themselves. */
async function settled(): Promise<void> {
  await vi.waitFor(async () => {
    const jobs = (await test.ports.jobs.records.list()).map(({ value }) => (value as Json).status);
    expect(jobs.filter((status) => status === 'queued' || status === 'running')).toEqual([]);
  }, PATIENTLY);
}

describe('every operation', () => {
  it('that changes something has an entry, whatever it says of itself', async () => {
    const expected = new Map<string, object>();
    const last = (one: { readonly method: string }): number => Number(one.method === 'DELETE');
    for (const operation of [...openApi.operations].sort((a, b) => last(a) - last(b))) {
      const { path, init } = await world.fill(operation);
      const action = auditedAs(operation.route);
      if (action === undefined) await settled();
      const before = await kept();
      const headers = { ...(init.headers as Record<string, string>), 'x-request-id': `of-${operation.id}` };
      const response = await test.send(path, { ...init, headers, key: world.key });
      await response.body?.cancel();
      const changed = (await kept()) !== before;
      if (changed) expect(action, `${operation.id} changed something`).toBeDefined();
      if (action === undefined || action === 'ingest' || response.status === 401) continue;
      // Of a link that needs no key the tenant is known when its token is.
      if (operation.route.permission === 'none') continue;
      const outcome = { status: response.status };
      expected.set(`of-${operation.id}`, { action, operation: operation.id, outcome });
    }
    const found = (await entries(world.key)).filter(({ request_id }) => expected.has(request_id));
    expect(found.length).toBe(expected.size);
    for (const entry of found) expect(entry).toMatchObject(expected.get(entry.request_id) ?? {});
    expect(expected.size).toBeGreaterThan(40);
  });

  it('by another method than GET is audited, or a query, or named here', () => {
    const silent = openApi.operations
      .filter(({ method, route }) => method !== 'GET' && auditedAs(route) === undefined)
      .filter(({ route }) => route.permission !== 'kpis:read')
      .map(({ id }) => id);
    expect(silent).toEqual(['validateEvents']);
  });
});

describe('GET /audit', () => {
  it('tells who did what, with what outcome, and who was refused', async () => {
    const admin = await test.key('admin', { tenant: 'b', name: 'boss' });
    const viewer = await test.key('viewer', { tenant: 'b', name: 'board' });
    await test.send('/events?type=order.created&limit=5', { key: viewer });
    await test.send('/settings', { key: viewer, method: 'PATCH', json: { timezone: 'Europe/Paris' } });
    await test.send('/settings', { key: admin, method: 'PATCH', json: { timezone: 'Europe/Paris' } });
    await test.send('/kpis/summary', { key: viewer });
    const found = await entries(admin);
    expect(found).toMatchObject([
      {
        ...{ operation: 'updateSettings', action: 'change', resource: '/settings', query: null },
        ...{ actor: { name: 'boss', role: 'admin' }, outcome: { status: 200, code: null } },
      },
      {
        operation: 'updateSettings',
        actor: { name: 'board' },
        outcome: { status: 403, code: 'role_forbidden' },
      },
      {
        ...{ operation: 'listEvents', action: 'read', resource: '/events' },
        ...{ actor: { name: 'board', role: 'viewer' }, query: 'type=order.created&limit=5' },
      },
    ]);
    // The listing before is there as well.
    const again = await entries(admin, '&action=read&resource=/audit');
    expect(again.map(({ operation, actor }) => [operation, actor.name])).toEqual([['listAudit', 'boss']]);
    expect((await entries(admin, '&actor=board')).length).toBe(2);
    expect(await entries(admin, '&to=2020-01-01T00:00:00Z')).toEqual([]);
    expect((await entries(admin, '&from=2020-01-01T00:00:00Z&action=change')).length).toBe(2);
  });

  it('goes on by a cursor, of its filter, and is for admins of the tenant only', async () => {
    const admin = await test.key('admin', { tenant: 'c' });
    for (let at = 0; at < 7; at++) await test.send(`/events/e${at}`, { key: admin });
    const seen: string[] = [];
    let cursor = '';
    do {
      const path = `/audit?limit=3&action=read&resource=/events${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const page = (await (await test.send(path, { key: admin })).json()) as Json;
      seen.push(...(page.entries as Entry[]).map(({ resource }) => resource));
      cursor = String(page.next_cursor ?? '');
    } while (cursor !== '');
    expect(seen).toEqual(Array.from({ length: 7 }, (_, at) => `/events/e${6 - at}`));
    const page = (await (await test.send('/audit?limit=1', { key: admin })).json()) as Json;
    const other = await test.send(`/audit?limit=1&action=read&cursor=${String(page.next_cursor)}`, {
      key: admin,
    });
    expect([other.status, await codeOf(other)]).toEqual([422, 'cursor_mismatch']);
    const analyst = await test.send('/audit', { key: await test.key('analyst', { tenant: 'c' }) });
    expect([analyst.status, await codeOf(analyst)]).toEqual([403, 'role_forbidden']);
    const stranger = await test.key('admin', { tenant: 'd' });
    expect(await entries(stranger)).toEqual([]);
    const named = await test.send('/audit', { key: stranger, headers: { 'x-tenant-id': 'c' } });
    expect(await codeOf(named)).toBe('tenant_forbidden');
    // Where it stood is told to whoever stood there.
    expect(await entries(stranger, '&actor=admin')).toMatchObject([
      { operation: 'listAudit', outcome: { status: 403, code: 'tenant_forbidden' } },
      { operation: 'listAudit', outcome: { status: 200 } },
    ]);
  });
});
