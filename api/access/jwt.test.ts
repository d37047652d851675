import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLong } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import { codeOf, startTestApi, TEST_NOW_MS, type TestApi } from '../fixture-api.ts';
import { bootstrapAdminKey } from './bootstrap.ts';
import { claims, forged, HS256_ENV, hs256, SECRET } from './fixture-jwt.ts';
import { MAX_TOKEN_CHARS } from './token-verifier.ts';

const NOW_S = TEST_NOW_MS / 1_000;
const FUZZ_MS = isLong ? 4_000 : 1_000;
const ME = '/permissions/me';

let test: TestApi;
beforeAll(async () => {
  test = await startTestApi({ ...HS256_ENV, RATE_LIMIT_RPS: '100000', RATE_LIMIT_BURST: '100000' });
});
afterAll(() => test.close());

async function refused(key: string): Promise<[number, string]> {
  const response = await test.send(ME, { key });
  const challenge = response.headers.get('www-authenticate') ?? '';
  if (response.status === 401) {
    expect(challenge).toMatch(
      /^Bearer realm="millrace", error="invalid_token", error_description="[ !#-[\]-~]+"$/,
    );
  }
  return [response.status, response.status < 400 ? 'ok' : await codeOf(response)];
}

describe('a token signed with the secret', () => {
  it('is its subject, in its role and tenant', async () => {
    const response = await test.send(ME, { key: await hs256({ role: 'ingest' }) });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      kind: 'jwt',
      scopes: null,
      rate_limit: { requests_per_s: 100_000, burst: 100_000 },
      key_id: 'jwt:https://id.example.com/|alice',
      name: 'alice',
      tenant: 'acme',
      tenants: 'own',
      role: 'ingest',
      permissions: ['events:write', 'jobs:read', 'jobs:cancel'],
      expires_at: new Date(TEST_NOW_MS + 300_000).toISOString(),
    });
  });

  it('may have several audiences, and needs no iat', async () => {
    expect(await refused(await hs256({ aud: ['other', 'millrace'], iat: undefined }))).toEqual([200, 'ok']);
  });

  it('does what its role may, and no more', async () => {
    const viewer = await hs256();
    expect((await test.send('/kpis/summary', { key: viewer })).status).toBe(200);
    const response = await test.send('/keys', { key: viewer });
    expect([response.status, await codeOf(response)]).toEqual([403, 'role_forbidden']);
    const admin = await hs256({ role: 'admin' });
    const made = await test.send('/keys', { key: admin, json: { name: 'k', role: 'viewer' } });
    expect(await made.json()).toMatchObject({
      tenant: 'acme',
      created_by: 'jwt:https://id.example.com/|alice',
    });
    const json = { name: 'k', role: 'viewer', tenants: '*' };
    expect((await test.send('/keys', { key: admin, json })).status).toBe(403);
  });

  it('may have a role that its tenant made, as it is now', async () => {
    const admin = await hs256({ role: 'admin' });
    const role = { name: 'sales', permissions: ['kpis:read'] };
    const made = await test.send('/roles', { key: admin, json: role });
    const { id } = (await made.json()) as { id: string };
    const key = await hs256({ role: 'sales' });
    expect(await (await test.send(ME, { key })).json()).toMatchObject({
      role: 'sales',
      permissions: role.permissions,
    });
    expect((await test.send('/kpis/summary', { key })).status).toBe(200);
    expect((await test.send('/events', { key })).status).toBe(403);
    expect(await refused(await hs256({ role: 'sales', tenant: 'other' }))).toEqual([401, 'token_invalid']);
    const patched = await test.send(`/roles/${id}`, {
      key: admin,
      method: 'PATCH',
      json: { permissions: ['events:read'] },
    });
    expect(patched.status).toBe(200);
    expect((await test.send('/kpis/summary', { key })).status).toBe(403);
    expect((await test.send('/events', { key })).status).toBe(200);
    expect((await test.send(`/roles/${id}`, { key: admin, method: 'DELETE' })).status).toBe(204);
    expect(await refused(key)).toEqual([401, 'token_invalid']);
  });

  it('never reaches another tenant, in path or header, whatever its role', async () => {
    const key = await hs256({ role: 'admin', tenants: '*' });
    const headers = { 'x-tenant-id': 'default' };
    for (const response of [
      await test.send('/v1/default/order-analytics/permissions/me', { key }),
      await test.send(ME, { key, headers }),
      await test.send('/v1/acme/order-analytics/permissions/me', { key, headers }),
    ]) {
      expect([response.status, await codeOf(response)]).toEqual([403, 'tenant_forbidden']);
    }
    expect((await test.send('/v1/acme/order-analytics/permissions/me', { key })).status).toBe(200);
  });

  it('works beside API keys', async () => {
    const key = await test.key('viewer', { expires_at_ms: TEST_NOW_MS + 1_000 });
    expect(await (await test.send(ME, { key })).json()).toMatchObject({
      kind: 'api_key',
      name: 'viewer',
      expires_at: new Date(TEST_NOW_MS + 1_000).toISOString(),
    });
    // Even where a preset key has the form of a token.
    const adminKey = 'not.a.token';
    await bootstrapAdminKey({ ...test.ports, settings: { ...test.ports.settings, adminKey } });
    expect(await refused(adminKey)).toEqual([200, 'ok']);
    expect(await refused('not.another.token')).toEqual([401, 'token_invalid']);
  });

  it.each<[string, number, Record<string, unknown>]>([
    ['just within the tolerance', 200, { exp: NOW_S - 29, nbf: NOW_S + 29, iat: NOW_S + 29 }],
    ['beyond it', 401, { exp: NOW_S - 30 }],
    ['not before the future', 401, { nbf: NOW_S + 31 }],
    ['issued in the future', 401, { iat: NOW_S + 31 }],
  ])('has a life: %s', async (_, status, changes) => {
    expect((await refused(await hs256(changes)))[0]).toBe(status);
  });
});

describe('refused is a token', () => {
  it('that has expired, by a code of its own', async () => {
    expect(await refused(await hs256({ exp: NOW_S - 31 }))).toEqual([401, 'token_expired']);
  });

  it.each<[string, Record<string, unknown>]>([
    ['without exp', { exp: undefined }],
    ['whose exp is text', { exp: '2099-01-01' }],
    ['whose exp no calendar has', { exp: 1e300 }],
    ['without iss', { iss: undefined }],
    ['of another issuer', { iss: 'https://id.example.com' }],
    ['without aud', { aud: undefined }],
    ['for another audience', { aud: 'millrace2' }],
    ['for no audience', { aud: [] }],
    ['without sub', { sub: undefined }],
    ['whose sub is a number', { sub: 5 }],
    ['whose sub has line breaks', { sub: 'a\nb' }],
    ['whose sub is long', { sub: 'x'.repeat(256) }],
    ['without a role', { role: undefined }],
    ['of an unknown role', { role: 'root' }],
    ['of a role in other letters', { role: 'Admin' }],
    ['of several roles', { role: ['admin'] }],
    ['without a tenant', { tenant: undefined }],
    ['of all tenants', { tenant: '*' }],
    ['of a tenant that no subject may have', { tenant: 'a.b' }],
    ['of several tenants', { tenant: ['acme'] }],
  ])('%s', async (_, changes) => {
    expect(await refused(await hs256(changes))).toEqual([401, 'token_invalid']);
  });

  it('signed with another secret, or changed since', async () => {
    expect(await refused(await hs256({}, `${SECRET}!`))).toEqual([401, 'token_invalid']);
    const [header, , signature] = (await hs256()).split('.');
    const payload = Buffer.from(JSON.stringify(claims({ role: 'admin' }))).toString('base64url');
    expect(await refused(`${header}.${payload}.${signature}`)).toEqual([401, 'token_invalid']);
  });

  it.each([
    ['alg none', forged({ alg: 'none' }, claims())],
    ['alg None with a signature', forged({ alg: 'None' }, claims(), 'AAAA')],
    ['no alg', forged({}, claims(), 'AAAA')],
    ['alg RS256', forged({ alg: 'RS256' }, claims(), 'AAAA')],
    ['alg HS512', forged({ alg: 'HS512' }, claims(), 'AAAA')],
    ['a critical header', forged({ alg: 'HS256', crit: ['x'], x: 1 }, claims(), 'AAAA')],
    ['an unencoded payload', forged({ alg: 'HS256', crit: ['b64'], b64: false }, claims(), 'AAAA')],
    ['a header that is a list', forged([], claims(), 'AAAA')],
    ['no JSON', 'a.b.c'],
    ['no claims', forged({ alg: 'HS256' }, 'x', 'AAAA')],
  ])('with %s', async (_, token) => {
    expect(await refused(token)).toEqual([401, 'token_invalid']);
  });

  it('with two parts, five parts or other letters: it is not even a token', async () => {
    for (const bearer of ['a.b', 'a.b.c.d.e', 'ä.b.c', 'a.b.c=', '..', '.b.c', 'mr_x.']) {
      const latin1 = Buffer.from(bearer).toString('latin1');
      expect(await refused(latin1), bearer).toEqual([401, 'unauthorized']);
    }
  });

  it('that is too long, however good', async () => {
    const pad = 'x'.repeat(Math.ceil(MAX_TOKEN_CHARS * 0.75));
    expect(await refused(await hs256({ pad }))).toEqual([401, 'token_invalid']);
    expect(await refused(await hs256({ pad: pad.slice(300) }))).toEqual([200, 'ok']);
  });

  it('without telling what it said', async () => {
    const key = await hs256({ role: 'very-private-role', sub: 'very-private-sub' });
    const response = await test.send(ME, { key });
    expect(JSON.stringify([...response.headers]) + (await response.text())).not.toContain('very-private');
  });
});

describe('settings of tokens', () => {
  it('name the claims and the tolerance', async () => {
    const role = 'https://example.com/role';
    const own = await startTestApi({
      ...HS256_ENV,
      JWT_ROLE_CLAIM: role,
      JWT_TENANT_CLAIM: 'org',
      JWT_CLOCK_TOLERANCE: '0s',
    });
    try {
      const send = async (changes: Record<string, unknown>): Promise<number> =>
        (await own.send(ME, { key: await hs256(changes) })).status;
      expect(await send({ [role]: 'viewer', org: 'acme', role: undefined, tenant: undefined })).toBe(200);
      expect(await send({ [role]: 'viewer', org: 'acme', exp: NOW_S })).toBe(401);
      expect(await send({})).toBe(401);
    } finally {
      await own.close();
    }
  });

  it('absent: no token is accepted', async () => {
    const own = await startTestApi();
    try {
      const response = await own.send(ME, { key: await hs256() });
      expect([response.status, await codeOf(response)]).toEqual([401, 'unauthorized']);
    } finally {
      await own.close();
    }
  });
});

it('limits the requests of each subject, whichever of its tokens it shows', async () => {
  const own = await startTestApi({ ...HS256_ENV, RATE_LIMIT_RPS: '1', RATE_LIMIT_BURST: '2' });
  try {
    const send = async (changes: Record<string, unknown>): Promise<number> =>
      (await own.send(ME, { key: await hs256(changes) })).status;
    expect([await send({}), await send({ jti: '2' }), await send({ jti: '3' })]).toEqual([200, 200, 429]);
    expect(await send({ sub: 'bob' })).toBe(200);
  } finally {
    await own.close();
  }
});

it('answers any bearer with a 401 problem', { timeout: FUZZ_MS + 120_000 }, async () => {
  const good = await hs256();
  const base64 = fc.string({ maxLength: 60 }).map((text) => Buffer.from(text).toString('base64url'));
  const json = fc.tuple(fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), base64);
  const alg = fc.constantFrom('HS256', 'none', 'RS256', 'ES256', 'HS512', '__proto__', '');
  const bearer = fc.oneof(
    fc.string({ minLength: 1, maxLength: 200 }),
    fc.array(base64, { maxLength: 6 }).map((parts) => parts.join('.')),
    json.map(([header, payload, signature]) => forged(header, payload, signature)),
    fc
      .tuple(alg, fc.jsonValue(), base64)
      .map(([name, kid, mac]) => forged({ alg: name, kid }, claims(), mac)),
    fc
      .tuple(fc.nat(good.length - 1), fc.constantFrom('A', '.', '_', '-', '%', ''))
      .map(([at, letter]) => good.slice(0, at) + letter + good.slice(at + 1)),
  );
  const property = fc.asyncProperty(bearer, async (key) => {
    // What a header cannot carry does not reach the app; the last letter has bits that mean nothing.
    fc.pre(/^[\x20-\xff]*$/.test(key) && key.slice(0, -1) !== good.slice(0, -1));
    const { status } = await test.send(ME, { key });
    if (key !== good) expect(status, key).toBe(401);
  });
  await fc.assert(property, { numRuns: 50_000, interruptAfterTimeLimit: FUZZ_MS, endOnFailure: true });
});
