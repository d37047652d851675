import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, startTestApi, TEST_NOW_MS, type TestApi } from '../fixture-api.ts';
import { bootstrapAdminKey } from './bootstrap.ts';

let test: TestApi;
let admin: string;

beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
});
afterEach(() => test.close());

async function outcome(response: Response): Promise<[number, string]> {
  return [response.status, response.status < 400 ? 'ok' : await codeOf(response)];
}

describe('authentication', () => {
  it('needs a key everywhere but for health, documentation and signed links', async () => {
    for (const { id, method, path, permission, face } of test.api.routes) {
      const response = await test.send(`${face?.base ?? ''}${path}`.replaceAll(/\{\w+\}/g, 'x'), { method });
      // A signed link stands for a key.
      if (id === 'downloadExport') expect(await outcome(response), id).toEqual([422, 'validation_failed']);
      else if (id === 'readSharedDashboard')
        expect(await outcome(response), id).toEqual([403, 'link_invalid']);
      // A signature of a connector does, too, and there is none.
      else if (id === 'sendToConnector') expect(await outcome(response), id).toEqual([404, 'not_found']);
      else if (permission === 'none') expect(response.status, id).toBe(200);
      else {
        // Other APIs say it in other words.
        if (face === undefined) expect(await outcome(response), id).toEqual([401, 'unauthorized']);
        else expect(response.status, id).toBe(401);
        expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/);
      }
    }
  });

  it.each([
    ['another scheme', 'Basic abc'],
    ['an unknown key', `Bearer mr_${'0'.repeat(16)}_${'0'.repeat(48)}`],
    ['any text', 'Bearer something'],
    ['an oversized one', `Bearer ${'x'.repeat(5_000)}`],
    ['none', 'Bearer'],
  ])('refuses %s', async (_, authorization) => {
    const response = await test.send('/kpis/summary', { headers: { authorization } });
    expect(await outcome(response)).toEqual([401, 'unauthorized']);
  });

  it('refuses a key with a wrong secret, an expired and a revoked one', async () => {
    const wrong = admin.slice(0, -1) + (admin.endsWith('0') ? '1' : '0');
    expect(await outcome(await test.send('/keys', { key: wrong }))).toEqual([401, 'unauthorized']);
    const short = await test.key('admin', { expires_at_ms: TEST_NOW_MS + 1_000 });
    expect((await test.send('/keys', { key: short })).status).toBe(200);
    test.clock.advance(1_000);
    expect(await outcome(await test.send('/keys', { key: short }))).toEqual([401, 'key_expired']);
    const other = await test.key('admin');
    const id = other.split('_')[1];
    expect((await test.send(`/keys/${id}`, { method: 'DELETE', key: admin })).status).toBe(204);
    expect(await outcome(await test.send('/keys', { key: other }))).toEqual([401, 'key_revoked']);
  });
});

describe('roles', () => {
  it.each([
    ['viewer', ['/kpis/summary', '/jobs', '/diagnostics'], ['/keys']],
    ['analyst', ['/kpis/summary', '/jobs'], ['/keys']],
    ['ingest', ['/jobs', '/permissions/me'], ['/kpis/summary', '/keys', '/metrics', '/diagnostics']],
    ['admin', ['/kpis/summary', '/jobs', '/keys', '/diagnostics', '/roles'], []],
  ] as const)('%s reads what it may', async (role, allowed, forbidden) => {
    const key = await test.key(role);
    for (const path of allowed) expect((await test.send(path, { key })).status, path).toBe(200);
    for (const path of forbidden) {
      expect(await outcome(await test.send(path, { key })), path).toEqual([403, 'role_forbidden']);
    }
  });

  it('lets only ingest and admin write events', async () => {
    const json = [{}];
    for (const role of ['viewer', 'analyst'] as const) {
      expect((await test.send('/ingest', { key: await test.key(role), json })).status).toBe(403);
    }
    for (const role of ['ingest', 'admin'] as const) {
      expect((await test.send('/ingest', { key: await test.key(role), json })).status).toBe(202);
    }
  });

  it('tells the caller what it may do', async () => {
    const key = await test.key('ingest', { tenant: 'acme' });
    const me = await (await test.send('/permissions/me', { key })).json();
    expect(me).toMatchObject({
      tenant: 'acme',
      role: 'ingest',
      permissions: ['events:write', 'jobs:read', 'jobs:cancel'],
    });
  });
});

describe('tenants', () => {
  it('keeps a key within its tenant, in path and header', async () => {
    const path = '/v1/acme/order-analytics/kpis/summary';
    expect(await outcome(await test.send(path, { key: admin }))).toEqual([403, 'tenant_forbidden']);
    const headers = { 'x-tenant-id': 'acme' };
    expect(await outcome(await test.send('/kpis/summary', { key: admin, headers }))).toEqual([
      403,
      'tenant_forbidden',
    ]);
    const acme = await test.key('viewer', { tenant: 'acme' });
    expect((await test.send(path, { key: acme })).status).toBe(200);
    expect((await test.send('/kpis/summary', { key: acme, headers })).status).toBe(200);
  });

  it('lets a key for all tenants name one, but not two and not a bad one', async () => {
    const key = await test.key('admin', { tenants: '*' });
    const path = '/v1/acme/order-analytics/permissions/me';
    expect(await (await test.send(path, { key })).json()).toMatchObject({ tenant: 'acme' });
    const two = await test.send(path, { key, headers: { 'x-tenant-id': 'other' } });
    expect(await outcome(two)).toEqual([422, 'tenant_mismatch']);
    const bad = await test.send('/permissions/me', { key, headers: { 'x-tenant-id': 'a.b' } });
    expect(await outcome(bad)).toEqual([422, 'validation_failed']);
  });
});

describe('keys', () => {
  it('are told once, and listed without their secret', async () => {
    const response = await test.send('/keys', { key: admin, json: { name: 'shop', role: 'ingest' } });
    expect(response.status).toBe(201);
    const made = (await response.json()) as { id: string; key: string };
    expect(made.key).toMatch(new RegExp(`^mr_${made.id}_[0-9a-f]{48}$`));
    expect(response.headers.get('location')).toBe(`/v1/order-analytics/keys/${made.id}`);
    expect((await test.send('/ingest', { key: made.key, json: [{}] })).status).toBe(202);
    const listed = await (await test.send('/keys', { key: admin })).text();
    expect(listed).toContain(made.id);
    expect(listed).not.toMatch(/hash|salt/);
    expect(listed).not.toContain(made.key);
    const stored = JSON.stringify(await test.definitions.list());
    expect(stored).not.toContain(made.key.split('_')[2]);
  });

  it('are revoked at once, in other processes too, and only by their own tenant', async () => {
    const key = await test.key('viewer', { tenant: 'acme' });
    const id = key.split('_')[1];
    expect(await outcome(await test.send(`/keys/${id}`, { method: 'DELETE', key: admin }))).toEqual([
      404,
      'not_found',
    ]);
    const acmeAdmin = await test.key('admin', { tenant: 'acme' });
    expect((await test.send(`/keys/${id}`, { method: 'DELETE', key: acmeAdmin })).status).toBe(204);
    expect((await test.send(`/keys/${id}`, { method: 'DELETE', key: acmeAdmin })).status).toBe(204);
    expect(await outcome(await test.send('/kpis/summary', { key }))).toEqual([401, 'key_revoked']);
  });

  it.each([
    [{ name: 'x' }, 'role'],
    [{ name: 'x', role: 'root' }, 'role'],
    [{ name: '', role: 'viewer' }, 'name'],
    [{ name: 'x', role: 'viewer', expires_at: '2020-01-01T00:00:00Z' }, 'expires_at'],
    [{ name: 'x', role: 'viewer', hash: 'x' }, ''],
  ])('are refused when malformed: %j', async (json, path) => {
    const response = await test.send('/keys', { key: admin, json });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'validation_failed', errors: [{ path }] });
  });

  it('reach all tenants only when made by one that does', async () => {
    const json = { name: 'x', role: 'admin', tenants: '*' };
    expect(await outcome(await test.send('/keys', { key: admin, json }))).toEqual([403, 'tenant_forbidden']);
    const root = await test.key('admin', { tenants: '*' });
    expect((await test.send('/keys', { key: root, json })).status).toBe(201);
  });

  it('come in pages', async () => {
    for (let count = 0; count < 4; count++) await test.key('viewer');
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page = (await (await test.send(`/keys?limit=2${query}`, { key: admin })).json()) as {
        keys: { id: string }[];
        next_cursor: string | null;
      };
      seen.push(...page.keys.map(({ id }) => id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toHaveLength(5);
    expect(new Set(seen).size).toBe(5);
  });
});

describe('bootstrapAdminKey', () => {
  it('generates a key once', async () => {
    const first = await bootstrapAdminKey(test.ports);
    expect(first.created).toBe(true);
    expect((await test.send('/keys', { key: first.key ?? '' })).status).toBe(200);
    expect(await bootstrapAdminKey(test.ports)).toEqual({ created: false });
  });

  it('takes ADMIN_KEY, whatever it looks like, and a new one in its place', async () => {
    const withKey = (adminKey: string) => ({ ...test.ports, settings: { ...test.ports.settings, adminKey } });
    expect(await bootstrapAdminKey(withKey('let-me-in'))).toEqual({ created: true });
    expect((await test.send('/keys', { key: 'let-me-in' })).status).toBe(200);
    expect(await bootstrapAdminKey(withKey('let-me-in'))).toEqual({ created: false });
    expect(await bootstrapAdminKey(withKey('another one'.replace(' ', '-')))).toEqual({ created: true });
    expect((await test.send('/keys', { key: 'let-me-in' })).status).toBe(401);
    expect((await test.send('/keys', { key: 'another-one' })).status).toBe(200);
  });

  it('does not revive a revoked ADMIN_KEY', async () => {
    const ports = { ...test.ports, settings: { ...test.ports.settings, adminKey: 'let-me-in' } };
    await bootstrapAdminKey(ports);
    expect((await test.send('/keys/preset', { method: 'DELETE', key: 'let-me-in' })).status).toBe(204);
    expect(await bootstrapAdminKey(ports)).toEqual({ created: false });
    expect(await outcome(await test.send('/keys', { key: 'let-me-in' }))).toEqual([401, 'key_revoked']);
  });
});
