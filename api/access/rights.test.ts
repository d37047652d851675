import { type Logger, pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, startTestApi, type TestApi } from '../fixture-api.ts';
import { bootstrapAdminKey } from './bootstrap.ts';
import { openKeyRing } from './key-ring.ts';

let test: TestApi;
let admin: string;
let root: string;

beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
  root = await test.key('admin', { tenants: '*' });
});
afterEach(() => test.close());

type Json = Record<string, unknown>;
const outcome = async (response: Response): Promise<[number, string]> => [
  response.status,
  response.status < 400 ? 'ok' : await codeOf(response),
];
const make = (json: object, key = admin): Promise<Response> => test.send('/keys', { key, json });
async function made(json: object, key = admin): Promise<{ id: string; key: string } & Json> {
  const response = await make({ name: 'k', role: 'viewer', ...json }, key);
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; key: string } & Json;
}
const idOf = (key: string): string => key.split('_')[1] ?? '';
const QUERY = { metrics: ['orders_count'], start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };

describe('scopes', () => {
  it('leave a key some of what its role allows', async () => {
    const { key, scopes } = await made({ role: 'analyst', scopes: ['kpis:read'] });
    expect(scopes).toEqual(['kpis:read']);
    expect((await test.send('/kpis/query', { key, json: QUERY })).status).toBe(200);
    expect((await test.send('/customers/rfm', { key, json: QUERY })).status).not.toBe(403);
    expect(await outcome(await test.send('/events', { key }))).toEqual([403, 'scope_forbidden']);
    expect(await outcome(await test.send('/kpis/query?async=true', { key, json: QUERY }))).toEqual([
      ...[403, 'role_forbidden'],
    ]);
    expect(await outcome(await test.send('/keys', { key }))).toEqual([403, 'role_forbidden']);
  });

  it('may be of one family of paths', async () => {
    const { key } = await made({ scopes: ['customers:read'] });
    expect((await test.send('/customers/rfm', { key, json: QUERY })).status).not.toBe(403);
    expect(await outcome(await test.send('/kpis/query', { key, json: QUERY }))).toEqual([
      ...[403, 'scope_forbidden'],
    ]);
    const me = (await (await test.send('/permissions/me', { key })).json()) as Json;
    expect(me).toMatchObject({ role: 'viewer', permissions: [], scopes: ['customers:read'] });
  });

  it('are of the role, and no more than those of the maker', async () => {
    for (const scopes of [
      ['events:write'],
      ['keys:manage'],
      ['nothing:read'],
      [],
      ['kpis:read', 'kpis:read'],
    ]) {
      expect(await outcome(await make({ name: 'k', role: 'viewer', scopes }))).toEqual([
        ...[422, 'validation_failed'],
      ]);
    }
    const maker = await made({ role: 'admin', scopes: ['keys:manage', 'kpis:read'] });
    const more: object[] = [
      { role: 'admin' },
      { role: 'viewer' },
      { role: 'admin', scopes: ['keys:manage', 'roles:manage'] },
      { role: 'viewer', scopes: ['events:read'] },
    ];
    for (const json of more) {
      expect(await outcome(await make({ name: 'k', ...json }, maker.key))).toEqual([403, 'scope_forbidden']);
    }
    expect((await make({ name: 'k', role: 'viewer', scopes: ['kpis:read'] }, maker.key)).status).toBe(201);
  });

  it('hide masked members from an admin without the scope to see them', async () => {
    const json = { pii_fields: ['customer_id'] };
    await test.send('/settings', { key: admin, json, method: 'PATCH' });
    const event = { event_id: '1', type: 'visit', time: '2025-09-01T10:00:00Z', customer_id: 'bob' };
    await test.send('/ingest', { key: admin, json: [event] });
    await test.apply();
    const { key } = await made({ role: 'admin', scopes: ['events:read'] });
    expect(await (await test.send('/events', { key })).text()).not.toContain('bob');
    expect(await (await test.send('/events', { key: admin })).text()).toContain('bob');
  });
});

describe('keys of all tenants', () => {
  it('are for keys of all tenants only, the preset one too', async () => {
    const ports = { ...test.ports, settings: { ...test.ports.settings, adminKey: 'let-me-in-let-me-in' } };
    await bootstrapAdminKey(ports);
    const listed = async (key: string): Promise<string> => (await test.send('/keys', { key })).text();
    for (const id of ['preset', idOf(root)]) {
      expect(await listed(admin)).not.toContain(`"${id}"`);
      expect(await listed(root)).toContain(`"${id}"`);
      const revoke = (key: string): Promise<Response> => test.send(`/keys/${id}`, { key, method: 'DELETE' });
      expect(await outcome(await revoke(admin))).toEqual([404, 'not_found']);
    }
    expect((await test.send('/keys', { key: 'let-me-in-let-me-in' })).status).toBe(200);
    expect((await test.send('/keys/preset', { key: root, method: 'DELETE' })).status).toBe(204);
  });

  it('make keys of other tenants; others do not', async () => {
    expect(await outcome(await make({ name: 'k', role: 'viewer', tenant: 'acme' }))).toEqual([
      ...[403, 'tenant_forbidden'],
    ]);
    const { key } = await made({ tenant: 'acme' }, root);
    expect(await (await test.send('/permissions/me', { key })).json()).toMatchObject({ tenant: 'acme' });
  });

  it('are what the numbers of the process and a new state take', async () => {
    for (const [path, json] of [
      ['/metrics', undefined],
      ['/jobs/backfill', {}],
    ] as const) {
      expect(await outcome(await test.send(path, { key: admin, json }))).toEqual([403, 'tenant_forbidden']);
      expect((await test.send(path, { key: root, json })).status).not.toBe(403);
    }
  });

  it('are not forgotten because a tenant revokes many of its own', async () => {
    const { keys: ring, definitions } = await openKeyRing(test.ports);
    const own = {
      name: 'k',
      tenant: 'default',
      role: 'viewer',
      tenants: 'own',
      expires_at_ms: null,
    } as const;
    await ring.revoke('default', idOf(root), { tenants: '*' });
    for (let count = 0; count < 1_001; count++) {
      const { record } = await ring.create({ ...own, created_by: 'test' });
      if (count % 2 === 0) await ring.revoke('default', record.id, { tenants: 'own' });
    }
    expect(ring.list('default', { tenants: '*' }).map(({ id }) => id)).toContain(idOf(root));
    await definitions.close();
  });
});

describe('ADMIN_KEY', () => {
  const A = 'a'.repeat(20);
  const B = 'b'.repeat(20);
  const logged: string[] = [];
  const log = (): Logger => {
    logged.length = 0;
    return pino({ level: 'warn' }, { write: (line: string) => void logged.push(JSON.parse(line).msg) });
  };
  const start = (adminKey: string): Promise<unknown> =>
    bootstrapAdminKey({ ...test.ports, log: log(), settings: { ...test.ports.settings, adminKey } });

  it('that was revoked says at each start how to come back', async () => {
    await start(A);
    expect(logged).toEqual([]);
    await test.send('/keys/preset', { key: A, method: 'DELETE' });
    await start(A);
    expect(logged).toEqual([expect.stringContaining('start with another ADMIN_KEY')]);
    await start(B);
    expect(logged).toEqual([]);
    expect((await test.send('/keys', { key: B })).status).toBe(200);
  });

  it('of two services that differ is said by the one that starts and by the one that loses it', async () => {
    await start(A);
    const { keys: running, definitions } = await openKeyRing({ ...test.ports, log: log() }, A);
    expect(logged).toEqual([]);
    const first = [...logged];
    const lines = logged;
    await bootstrapAdminKey({
      ...test.ports,
      log: pino({ level: 'warn' }, { write: (line: string) => void first.push(JSON.parse(line).msg) }),
      settings: { ...test.ports.settings, adminKey: B },
    });
    expect(first).toEqual([expect.stringContaining('give both the same')]);
    expect(running.match(B)).toMatchObject({ key_id: 'preset' });
    expect(lines).toEqual([expect.stringContaining('works no longer')]);
    await definitions.close();
  });
});

describe('roles of a tenant', () => {
  const ROLE = { name: 'marketing', permissions: ['kpis:read', 'definitions:read'] };
  const define = (json: object = ROLE, key = admin): Promise<Response> => test.send('/roles', { key, json });

  it('are what keys may have, follow a change at once, and stay while a key has them', async () => {
    const { id } = (await (await define()).json()) as { id: string };
    const { key, id: key_id } = await made({ role: 'marketing' });
    expect((await test.send('/kpis/query', { key, json: QUERY })).status).toBe(200);
    expect(await outcome(await test.send('/events', { key }))).toEqual([403, 'role_forbidden']);
    const change = (json: object): Promise<Response> =>
      test.send(`/roles/${id}`, { key: admin, json, method: 'PATCH' });
    expect((await change({ permissions: ['events:read'] })).status).toBe(200);
    expect((await test.send('/events', { key })).status).toBe(200);
    expect(await outcome(await test.send('/kpis/query', { key, json: QUERY }))).toEqual([
      ...[403, 'role_forbidden'],
    ]);
    const drop = (): Promise<Response> => test.send(`/roles/${id}`, { key: admin, method: 'DELETE' });
    expect(await outcome(await drop())).toEqual([409, 'definition_in_use']);
    expect(await outcome(await change({ name: 'sales' }))).toEqual([409, 'definition_in_use']);
    await test.send(`/keys/${key_id}`, { key: admin, method: 'DELETE' });
    expect((await drop()).status).toBe(204);
    expect(await outcome(await make({ name: 'k', role: 'marketing' }))).toEqual([422, 'validation_failed']);
  });

  it('are of one tenant, of other names, and manage no keys and roles', async () => {
    await define();
    const stranger = await test.key('admin', { tenant: 'acme' });
    expect(await outcome(await make({ name: 'k', role: 'marketing' }, stranger))).toEqual([
      ...[422, 'validation_failed'],
    ]);
    expect(await (await test.send('/roles', { key: stranger })).json()).toMatchObject({ custom: [] });
    expect(await (await test.send('/roles', { key: admin })).json()).toMatchObject({ custom: [ROLE] });
    expect(await outcome(await define({ ...ROLE, name: 'viewer' }))).toEqual([409, 'name_taken']);
    for (const permission of ['keys:manage', 'roles:manage', 'everything']) {
      const json = { name: 'x', permissions: [permission] };
      expect(await outcome(await define(json))).toEqual([422, 'validation_failed']);
    }
    const analyst = await test.key('analyst');
    expect(await outcome(await define({ ...ROLE, name: 'y' }, analyst))).toEqual([403, 'role_forbidden']);
  });
});

describe('a role that is written into its bucket by hand', () => {
  it('gives nothing: not changed, not an older one, and not one that was deleted', async () => {
    const created = await test.send('/roles', {
      ...{ key: admin, json: { name: 'marketing', permissions: ['kpis:read', 'events:read'] } },
    });
    const { id } = (await created.json()) as { id: string };
    const { key, id: key_id } = await made({ role: 'marketing' });
    const bucket = test.definitions;
    const name = `def.role.default.${id}`;
    const stored = async () => {
      const entry = await bucket.get(name);
      if (entry === undefined) throw new Error('there is no role');
      return entry;
    };
    const put = async (value: unknown): Promise<void> => {
      const { revision } = await stored();
      expect((await bucket.update(name, value, revision)).ok).toBe(true);
    };
    const kpis = async (): Promise<number> => (await test.send('/kpis/query', { key, json: QUERY })).status;
    const wide = (await stored()).value as Json;
    expect(await kpis()).toBe(200);
    // Without a signature, and with that of what it was.
    const widened: Json = { ...wide, body: { permissions: ['events:read', 'kpis:read', 'jobs:read'] } };
    const { signature: _, ...unsigned } = widened;
    for (const value of [unsigned, widened]) {
      await put(value);
      expect(await outcome(await test.send('/kpis/query', { key, json: QUERY }))).toEqual([
        403,
        'role_forbidden',
      ]);
      await put(wide);
      expect(await kpis()).toBe(200);
    }
    test.clock.advance(1_000);
    const narrow = { permissions: ['events:read'] };
    const patched = await test.send(`/roles/${id}`, { key: admin, method: 'PATCH', json: narrow });
    expect(patched.status).toBe(200);
    const changed = (await stored()).value;
    await put(wide);
    expect(await kpis()).toBe(403);
    test = await test.restart();
    expect((await test.send('/events', { key })).status).toBe(403);
    await test.send(`/keys/${key_id}`, { key: admin, method: 'DELETE' });
    await put(changed);
    const dropped = await test.send(`/roles/${id}`, { key: admin, method: 'DELETE' });
    expect(dropped.status).toBe(204);
    expect((await bucket.create(name, changed)).ok).toBe(true);
    expect(await (await test.send('/roles', { key: admin })).json()).toMatchObject({ custom: [] });
  });
});

describe('a rate limit', () => {
  it('of its own is told with every answer, and held', async () => {
    const { key } = await made({ rate_limit: { requests_per_s: 0.5, burst: 2 } });
    const ask = (path = '/permissions/me'): Promise<Response> => test.send(path, { key });
    const first = await ask();
    expect(first.headers.get('ratelimit-policy')).toBe('"requests";q=2;w=4');
    expect(first.headers.get('ratelimit')).toBe('"requests";r=1;t=2');
    expect(await first.json()).toMatchObject({ rate_limit: { requests_per_s: 0.5, burst: 2 } });
    const refused = await ask('/keys');
    expect([refused.status, refused.headers.get('ratelimit')]).toEqual([403, '"requests";r=0;t=4']);
    const over = await ask();
    expect(await outcome(over)).toEqual([429, 'rate_limited']);
    expect([over.headers.get('retry-after'), over.headers.get('ratelimit')]).toEqual([
      ...['2', '"requests";r=0;t=4'],
    ]);
    test.clock.advance(2_000);
    expect((await ask()).status).toBe(200);
    const usual = await test.send('/roles', { key: admin });
    expect(usual.headers.get('ratelimit-policy')).toBe('"requests";q=4000;w=2');
  });

  it('above that of the installation is given by a key of all tenants only', async () => {
    const rate_limit = { requests_per_s: 5_000 };
    expect(await outcome(await make({ name: 'k', role: 'viewer', rate_limit }))).toEqual([
      ...[422, 'validation_failed'],
    ]);
    const { key } = await made({ role: 'admin', rate_limit: { requests_per_s: 10, burst: 20 } });
    expect(await made({}, key)).toMatchObject({ rate_limit: { requests_per_s: 10, burst: 20 } });
    expect(await made({ rate_limit }, root)).toMatchObject({
      rate_limit: { requests_per_s: 5_000, burst: 10_000 },
    });
  });
});
