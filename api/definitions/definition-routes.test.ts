import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AuditLog, type DefinitionKind, Definitions } from '../../runtime/index.ts';
import { openKeyRing, Roles } from '../access/index.ts';
import { type App, buildApp, HttpMetrics, openApiDocument, RateLimiter } from '../app/index.ts';
import { codeOf, startTestApi, type TestApi } from '../fixture-api.ts';
import { BodyBudget, Cursors, type Role, StateLook } from '../http/index.ts';
import { definitionRoutes } from './definition-routes.ts';

const RULE = z.strictObject({
  event: z.string().min(1),
  window_s: z.int().default(60),
  note: z.strictObject({ text: z.string().optional(), by: z.string().optional() }).optional(),
});
const KIND: DefinitionKind<z.output<typeof RULE>> = { kind: 'rule', schema: RULE, limit: 3 };

let test: TestApi;
let app: App;
let openApi: object;
let definitions: Definitions;
let ring: Awaited<ReturnType<typeof openKeyRing>>;
const keys = new Map<string, string>();

/** An application whose only routes are those of one kind. */
beforeAll(async () => {
  test = await startTestApi();
  const { ports } = test;
  definitions = new Definitions({ store: ports.definitions, clock: ports.clock, log: ports.log });
  const rules = definitions.kind(KIND);
  await definitions.open();
  for (const [name, role, tenant] of [
    ['viewer', 'viewer', 'a'],
    ['analyst', 'analyst', 'a'],
    ['ingest', 'ingest', 'a'],
    ['stranger', 'admin', 'b'],
  ] as const satisfies readonly (readonly [string, Role, string])[]) {
    keys.set(name, await test.key(role, { tenant }));
  }
  ring = await openKeyRing(ports);
  const routes = definitionRoutes(rules, Cursors.of(ports.keyTrust), {
    path: '/rules',
    noun: 'rule',
    tag: 'Definitions',
    description: 'What to look for.',
    examples: { visits: { summary: 'Visits', value: { name: 'visits', event: 'visit', window_s: 60 } } },
    aliases: ['define'],
  });
  const limiter = new RateLimiter({ requests_per_s: 10_000, burst: 10_000 });
  const parts = {
    credentials: { keys: ring.keys, roles: new Roles(), tokens: undefined },
    limiter,
    budget: new BodyBudget({ all_bytes: 1e6, tenant_bytes: 1e6, key_bytes: 1e6 }),
    metrics: new HttpMetrics(),
    look: new StateLook(),
    audit: new AuditLog({ queue: ports.audit, trust: ports.keyTrust, clock: ports.clock, log: ports.log }),
  };
  app = buildApp(ports, parts, routes);
  openApi = openApiDocument(routes, '1.0.0');
});

afterAll(async () => {
  await ring?.definitions.close();
  await definitions?.close();
  await test?.close();
});

interface Sent {
  readonly by?: string;
  readonly method?: string;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

async function send(
  path: string,
  { by = 'analyst', json, headers = {}, ...init }: Sent = {},
): Promise<Response> {
  const body = json === undefined ? {} : { body: JSON.stringify(json) };
  return app.request(path.startsWith('/v1/') ? path : `/v1/order-analytics${path}`, {
    method: init.method ?? (json === undefined ? 'GET' : 'POST'),
    headers: { authorization: `Bearer ${keys.get(by)}`, 'content-type': 'application/json', ...headers },
    ...body,
  });
}

type Json = Record<string, unknown>;
const jsonOf = async (response: Response): Promise<Json> => (await response.json()) as Json;

describe('the routes of a kind of definition', () => {
  it('make, show, change and delete', async () => {
    const made = await send('/rules', { json: { name: 'visits', event: 'visit' } });
    expect(made.status).toBe(201);
    const rule = await jsonOf(made);
    expect(rule).toMatchObject({
      id: expect.stringMatching(/^rule_/),
      name: 'visits',
      event: 'visit',
      window_s: 60,
      created_at: '2025-09-01T12:00:00.000Z',
    });
    expect(made.headers.get('location')).toBe(`/v1/order-analytics/rules/${rule.id}`);
    expect(made.headers.get('etag')).toBe(`"${rule.revision}"`);
    const path = `/rules/${rule.id}`;
    const shown = await send(path, { by: 'viewer' });
    expect([shown.status, await jsonOf(shown)]).toEqual([200, rule]);
    expect(await jsonOf(await send('/rules', { by: 'viewer' }))).toEqual({
      rules: [rule],
      next_cursor: null,
    });
    const patched = await send(path, {
      method: 'PATCH',
      json: { window_s: 5, note: { text: 'x' } },
      headers: { 'if-match': `"${rule.revision}"`, 'content-type': 'application/merge-patch+json' },
    });
    expect(patched.status).toBe(200);
    const changed = await jsonOf(patched);
    expect(changed).toMatchObject({ event: 'visit', window_s: 5, note: { text: 'x' } });
    expect(patched.headers.get('etag')).toBe(`"${changed.revision}"`);
    const late = { method: 'PATCH', json: { window_s: 6 }, headers: { 'if-match': `"${rule.revision}"` } };
    const lost = await send(path, late);
    expect([lost.status, await codeOf(lost)]).toEqual([409, 'revision_conflict']);
    expect((await send(path, { ...late, method: 'DELETE' })).status).toBe(409);
    expect((await send(path, { ...late, headers: { 'if-match': 'x' } })).status).toBe(422);
    expect((await send(path, { ...late, headers: { 'if-match': '*' } })).status).toBe(200);
    const gone = await send(path, { method: 'DELETE' });
    expect([gone.status, await gone.text()]).toEqual([204, '']);
    expect((await send(path)).status).toBe(404);
    expect((await send(path, { method: 'DELETE' })).status).toBe(404);
  });

  it('say what is wrong with a body, and where', async () => {
    const errors = async (json: unknown): Promise<unknown> => {
      const response = await send('/rules', { json });
      const { code, errors } = await jsonOf(response);
      expect([response.status, code]).toEqual([422, 'validation_failed']);
      return errors;
    };
    expect(await errors({ event: 'x' })).toMatchObject([{ path: 'name' }]);
    expect(await errors({ name: 'x', event: '', window_s: 'y' })).toMatchObject([
      { path: 'event' },
      { path: 'window_s' },
    ]);
    expect(await errors({ name: 'x', event: 'x', id: 'mine' })).toMatchObject([
      { message: expect.stringContaining('there are: event, window_s, note') },
    ]);
    expect((await send('/rules', { json: [] })).status).toBe(422);
    const none = await send('/rules', { method: 'POST' });
    expect(none.status).toBe(400);
  });

  it('keep to the roles and to the tenant', async () => {
    const { id } = await jsonOf(await send('/rules/define', { json: { name: 'mine', event: 'visit' } }));
    const create = { json: { name: 'other', event: 'visit' } };
    for (const by of ['viewer', 'ingest']) {
      const refused = await send('/rules', { by, ...create });
      expect([refused.status, await codeOf(refused)]).toEqual([403, 'role_forbidden']);
    }
    expect((await send(`/rules/${id}`, { by: 'viewer', method: 'DELETE' })).status).toBe(403);
    expect((await send(`/rules/${id}`, { by: 'ingest' })).status).toBe(403);
    expect((await send(`/rules/${id}`, { by: 'stranger' })).status).toBe(404);
    expect(
      (await send(`/rules/${id}`, { by: 'stranger', method: 'PATCH', json: { window_s: 1 } })).status,
    ).toBe(404);
    expect(await jsonOf(await send('/rules', { by: 'stranger' }))).toMatchObject({ rules: [] });
    expect((await send('/v1/a/order-analytics/rules', { by: 'stranger' })).status).toBe(403);
    const made = await send('/v1/b/order-analytics/rules', {
      by: 'stranger',
      json: { name: 'mine', event: 'x' },
    });
    expect(made.headers.get('location')).toMatch(/^\/v1\/b\/order-analytics\/rules\/rule_/);
    await send(`/rules/${id}`, { method: 'DELETE' });
  });

  it('page through a list, and name what is taken or too much', async () => {
    for (const name of ['1', '2', '3']) {
      test.clock.advance(1);
      expect((await send('/rules', { json: { name, event: 'visit' } })).status).toBe(201);
    }
    const taken = await send('/rules', { json: { name: '4', event: 'visit' } });
    expect([taken.status, await codeOf(taken)]).toEqual([409, 'limit_reached']);
    const page = await jsonOf(await send('/rules?limit=2'));
    expect((page.rules as Json[]).map(({ name }) => name)).toEqual(['1', '2']);
    const rest = await jsonOf(await send(`/rules?limit=2&cursor=${page.next_cursor}`));
    expect((rest.rules as Json[]).map(({ name }) => name)).toEqual(['3']);
    expect(rest.next_cursor).toBeNull();
    const renamed = await send(`/rules/${(rest.rules as Json[])[0]?.id}`, {
      method: 'PATCH',
      json: { name: '1' },
    });
    expect([renamed.status, await codeOf(renamed)]).toEqual([409, 'name_taken']);
  });

  it('answer 503 while the bucket is away, and go on reading', async () => {
    test.definitions.away = true;
    try {
      const refused = await send('/rules', { by: 'stranger', json: { name: 'late', event: 'visit' } });
      expect([refused.status, await codeOf(refused)]).toEqual([503, 'kv_unavailable']);
      expect((await send('/rules')).status).toBe(200);
      expect(definitions.status).toMatchObject({ state: 'unavailable', code: 'kv_unavailable' });
    } finally {
      test.definitions.away = false;
    }
  });

  it('document themselves', () => {
    const { paths } = openApi as { paths: Record<string, Record<string, Json>> };
    const base = '/v1/order-analytics/rules';
    expect(Object.keys(paths).filter((path) => path.startsWith(base))).toEqual([
      base,
      `${base}/define`,
      `${base}/{id}`,
    ]);
    expect(Object.keys(paths[`${base}/{id}`] ?? {}).sort()).toEqual(['delete', 'get', 'patch']);
    const create = JSON.stringify(paths[base]?.post);
    expect(create).toContain('"operationId":"createRule"');
    expect(create).toContain('"value":{"name":"visits","event":"visit","window_s":60}');
    expect(create).toContain('name_taken');
    expect(JSON.stringify(paths[`${base}/{id}`]?.patch)).toContain('application/merge-patch+json');
    expect(JSON.stringify(paths[`${base}/{id}`]?.patch)).toContain('If-Match');
  });
});
