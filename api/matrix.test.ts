import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { codeOf, PATIENTLY, startTestApi, type TestApi } from './fixture-api.ts';
import { fakeBackfill } from './fixture-backfill.ts';
import {
  type Filled,
  type Json,
  type OpenApi,
  type Operation,
  openApiOf,
  World,
} from './fixture-operations.ts';
import { PERMISSIONS, type Permission, RESERVED_PERMISSIONS, ROLE_RULES, ROLES } from './http/index.ts';

/** Every operation of the OpenAPI document, by every role and across tenants. */

const GENEROUS = { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' };

interface Scene {
  readonly test: TestApi;
  readonly openApi: OpenApi;
  readonly a: World;
  readonly b: World;
}

async function sceneOf(): Promise<Scene> {
  const test = await startTestApi(GENEROUS, fakeBackfill());
  const openApi = await openApiOf(test);
  const [a, b] = [await World.of(test, openApi, 'a'), await World.of(test, openApi, 'b')];
  return { test, openApi, a, b };
}

interface Outcome {
  readonly status: number;
  readonly code: string;
  readonly text: string;
}

async function ask(test: TestApi, { path, init }: Filled, key?: string): Promise<Outcome> {
  const response = await test.send(path, { ...init, ...(key === undefined ? {} : { key }) });
  if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) {
    await response.body?.cancel();
    return { status: response.status, code: 'ok', text: '' };
  }
  const code = response.status < 400 ? 'ok' : await codeOf(response.clone());
  return { status: response.status, code, text: await response.text() };
}

/** What lasts, of one tenant or of the installation: definitions, keys, jobs, events. */
async function kept(test: TestApi, tenant?: string): Promise<string> {
  const entries = await Promise.all(
    [test.definitions, test.ports.jobs.records, test.ports.jobs.errors].map((store) => store.list()),
  );
  const isOf = (value: unknown): boolean => tenant === undefined || (value as Json).tenant === tenant;
  // A process that has jobs says each second that it is there.
  const records = entries.flat().filter(({ key, value }) => isOf(value) && !key.startsWith('member.'));
  const messages = test.stream.messages.filter(
    ({ subject }) => tenant === undefined || subject.split('.').includes(tenant),
  );
  return JSON.stringify([records, messages.map(({ subject, id }) => [subject, id])]);
}

/** Of some jobs a tenant has one at a time: until that of an earlier operation has ended. */
async function untilIdle(test: TestApi, { method, path }: Operation, key: string): Promise<void> {
  if (method !== 'POST' || !path.startsWith('/jobs/')) return;
  await vi.waitFor(async () => {
    const { jobs } = (await (await test.send('/jobs?lane=backfill', { key })).json()) as { jobs: Json[] };
    expect(jobs.filter(({ status }) => status === 'queued' || status === 'running')).toEqual([]);
  }, PATIENTLY);
}

/** What deletes comes last. */
const inOrder = (operations: readonly Operation[]): Operation[] =>
  [...operations].sort((one, other) => Number(one.method === 'DELETE') - Number(other.method === 'DELETE'));

describe('a key of one tenant', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await sceneOf();
  });
  afterAll(() => scene.test.close());

  it('names no other, by header or path, in any operation', async () => {
    const { test, openApi, a, b } = scene;
    for (const operation of openApi.operations) {
      if (operation.route.permission === 'none') continue;
      const { path, init } = await b.fill(operation);
      const before = await kept(test, 'b');
      const inPath = await ask(test, { path: `/v1/b/order-analytics${path}`, init }, a.key);
      expect([inPath.status, inPath.code], operation.id).toEqual([403, 'tenant_forbidden']);
      const headers = { ...(init.headers as Record<string, string>), 'x-tenant-id': 'b' };
      const inHeader = await ask(test, { path, init: { ...init, headers } }, a.key);
      expect([inHeader.status, inHeader.code], operation.id).toEqual([403, 'tenant_forbidden']);
      expect(await kept(test, 'b'), operation.id).toBe(before);
    }
  });

  it('reads and changes nothing of another one, or of the installation, under its own name', async () => {
    const { test, openApi, a, b } = scene;
    await test.key('admin', { tenant: 'a', tenants: '*' });
    const installed = async (): Promise<unknown> =>
      (await test.definitions.list()).filter(
        ({ key, value }) => key.startsWith('def.api_key.') && ((value as Json).body as Json).tenants === '*',
      );
    const others = await installed();
    for (const operation of inOrder(openApi.operations)) {
      if (operation.route.permission === 'none') continue;
      // A customer is whoever events name, one for each tenant.
      const isOne = operation.path.includes('{') && operation.id !== 'eraseCustomer';
      const filled = await b.fill(operation);
      await untilIdle(test, operation, a.key);
      const before = await kept(test, 'b');
      const { status, code, text } = await ask(test, filled, a.key);
      if (operation.route.reach === 'installation') {
        expect([status, code], operation.id).toEqual([403, 'tenant_forbidden']);
      } else if (isOne) expect([status, code], operation.id).toEqual([404, 'not_found']);
      else if (code !== 'not_supported') expect(status, `${operation.id} ${text}`).toBeLessThan(300);
      // The audit log has what the caller itself has asked for, of itself alone.
      if (operation.id === 'listAudit') {
        const { entries } = JSON.parse(text) as { entries: readonly Json[] };
        expect(entries.length).toBeGreaterThan(0);
        expect(entries.filter(({ tenant }) => tenant !== 'a')).toEqual([]);
      } else expect(b.isIn(text), operation.id).toBe(false);
      expect(await kept(test, 'b'), operation.id).toBe(before);
      expect(await installed(), operation.id).toEqual(others);
    }
  });

  it('takes no cursor of another one', async () => {
    const { test, openApi, a, b } = scene;
    const lists = openApi.operations.filter(
      ({ method, path, query }) =>
        method === 'GET' && !path.includes('{') && query.some(({ name }) => name === 'cursor'),
    );
    expect(lists.length).toBeGreaterThan(5);
    for (const { id, path, route } of lists) {
      const creates = openApi.operations.some((one) => one.method === 'POST' && one.path === path);
      const isMade = creates && (route.permission === 'any' || !path.startsWith('/exports'));
      for (let count = 0; count < (isMade ? 2 : 0); count++) await b.make(path);
      const page = (await (await test.send(`${path}?limit=1`, { key: b.key })).json()) as Json;
      if (typeof page.next_cursor !== 'string') continue;
      const stolen = await test.send(`${path}?limit=1&cursor=${page.next_cursor}`, { key: a.key });
      expect([stolen.status, await codeOf(stolen)], id).toEqual([422, 'cursor_mismatch']);
    }
  });
});

/** What the contract says of each role, in its words and not those of the table of permissions. */
const MAY: Readonly<Record<string, (operation: Operation) => boolean>> = {
  viewer: ({ route: { permission } }) => /:read$/.test(permission),
  analyst: ({ route: { permission } }) =>
    /:read$/.test(permission) || ['definitions:write', 'exports:create', 'jobs:cancel'].includes(permission),
  admin: () => true,
  ingest: ({ route: { permission } }) => ['events:write', 'jobs:read', 'jobs:cancel'].includes(permission),
};

const keysOf = (role: string): readonly Permission[] =>
  ROLE_RULES[role as keyof typeof ROLE_RULES].permissions;

describe('every operation', () => {
  it('is refused without credentials, unless it is for everybody', async () => {
    const { test, openApi, a } = await sceneOf();
    const before = await kept(test);
    const open: string[] = [];
    for (const operation of openApi.operations) {
      const filled = { path: operation.path.replace(/\{\w+\}/, 'x'), init: { method: operation.method } };
      const { status, code, text } = await ask(test, filled);
      if (operation.route.permission === 'none') open.push(operation.id);
      else expect([status, code], operation.id).toEqual([401, 'unauthorized']);
      expect(a.isIn(text)).toBe(false);
    }
    expect(open.sort()).toEqual(['downloadExport', 'getHealth', 'readSharedDashboard', 'sendToConnector']);
    expect(await kept(test)).toBe(before);
    await test.close();
  });

  it.each(ROLES)('is for the role %s as the contract says', async (role) => {
    const { test, openApi, a } = await sceneOf();
    const may = MAY[role];
    if (may === undefined) throw new Error(`the contract says nothing of ${role}`);
    const keys = {
      own: await test.key(role, { tenant: 'a' }),
      all: await test.key(role, { tenant: 'a', tenants: '*' }),
    };
    for (const operation of inOrder(openApi.operations)) {
      const { id, route } = operation;
      const filled = await a.fill(operation);
      await untilIdle(test, operation, a.key);
      const before = await kept(test);
      const { status, code, text } = await ask(test, filled, route.reach === undefined ? keys.own : keys.all);
      const isOpen = route.permission === 'any' || route.permission === 'none';
      if (!isOpen && !may(operation)) {
        expect([status, code], id).toEqual([403, 'role_forbidden']);
        expect(await kept(test), id).toBe(before);
        continue;
      }
      // Its caller is known by a signature, or by a key that may write events.
      if (id === 'sendToConnector' && !keysOf(role).includes('events:write')) {
        expect([status, code]).toEqual([403, 'role_forbidden']);
        continue;
      }
      // A job of somebody else: who it is for is a matter of the job.
      const isJob = operation.path.startsWith('/jobs/{') || operation.path.startsWith('/exports/{');
      if (isJob || code === 'not_supported' || a.lacks(operation)) expect(status, id).not.toBe(401);
      else expect(status, `${id} ${text}`).toBeLessThan(300);
      if (role === 'viewer') expect(await kept(test), id).toBe(before);
      if (role === 'ingest' && !isOpen) expect(a.isIn(text), id).toBe(false);
    }
    await test.close();
  });

  it('is for a role of the tenant with its permission, and for a key with its scope, and no other', async () => {
    const { test, openApi, a } = await sceneOf();
    const permissionsOf = (permission: Permission): readonly Permission[] =>
      PERMISSIONS.filter((one) => one !== permission && ROLE_RULES.admin.permissions.includes(one));
    for (const permission of PERMISSIONS) {
      const theirs = openApi.operations.filter(({ route }) => route.permission === permission);
      const tenants = '*' as const;
      const without = await test.key('admin', { tenant: 'a', tenants, scopes: permissionsOf(permission) });
      const only = await test.key('admin', { tenant: 'a', tenants, scopes: [permission] });
      const isGrantable = !RESERVED_PERMISSIONS.includes(permission);
      const name = permission.replace(':', '_');
      const json = { name, permissions: [permission] };
      if (isGrantable) expect((await test.send('/roles', { key: a.key, json })).status).toBe(201);
      const custom = await test.key(isGrantable ? name : 'admin', { tenant: 'a', tenants });
      for (const operation of inOrder(theirs)) {
        const { id } = operation;
        const refused = await ask(test, await a.fill(operation), without);
        expect([refused.status, refused.code], id).toEqual([403, 'scope_forbidden']);
        for (const key of [only, custom]) {
          const { status, code } = await ask(test, await a.fill(operation), key);
          // A key with scopes makes no key without any.
          const isMore = id === 'createKey' && key === only;
          expect(code === 'scope_forbidden', id).toBe(isMore);
          expect(code, id).not.toBe('unauthorized');
          expect(status, id).toBeLessThan(500);
        }
      }
    }
    await test.close();
  });
});
