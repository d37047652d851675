import { describe, expect, it } from 'vitest';
import { readHostSettings, readSettings, settingsSchema } from './settings.ts';

describe('readSettings', () => {
  it('has a default for everything', () => {
    expect(readSettings({})).toMatchObject({
      port: 8080,
      host: '127.0.0.1',
      dataDir: expect.stringMatching(/\/data$/),
      nats: undefined,
      adminKey: undefined,
      logLevel: 'info',
      cubeCellsPerDay: 100_000,
      dedupMemoryIds: 10_000_000,
      retentionDays: undefined,
      allowedOutOfOrderness_ms: 30_000,
    });
  });

  it('takes empty variables as absent, and adds cubes to the default ones', () => {
    const CUBES = 'channel+payment_method+country@1h, sku+channel,country';
    const settings = readSettings({ PORT: '', CUBES });
    expect(settings.port).toBe(8080);
    const names = settings.cubes.map(({ name }) => name);
    expect(names).toContain('channel+country+payment_method@1h');
    expect(names).toContain('channel+sku@1d');
    expect(new Set(names).size).toBe(names.length);
  });

  it.each([
    ['PORT', '80a'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '8080.5'],
    ['LOG_LEVEL', 'loud'],
    ['NATS_URL', 'http://x'],
    ['CUBES', 'country+colour'],
    ['CUBES', 'country+channel+sku+campaign+region'],
    ['CUBES', 'country@15m'],
    ['CUSTOM_DIMENSIONS', 'store,country'],
    ['CUBE_CELLS_PER_DAY', '0'],
    ['ALLOWED_OUT_OF_ORDERNESS', '30'],
    ['ALLOWED_OUT_OF_ORDERNESS', '9d'],
    ['RETENTION_DAYS', 'forever'],
    ['ADMIN_KEY', 'two words'],
    ['ALLOW_TOPOLOGY_CHANGE', 'yes'],
  ])('stops for %s=%s with a sentence that names it', (name, value) => {
    const read = (): unknown => readSettings({ [name]: value });
    expect(read).toThrow(expect.objectContaining({ code: 'bad_setting' }));
    expect(read).toThrow(new RegExp(`Bad setting: ${name} .+\\.`));
  });

  const long = 'x'.repeat(32);
  const who = { JWT_ISSUER: 'https://id.example.com', JWT_AUDIENCE: 'millrace' };
  const url = 'https://id.example.com/jwks';

  it('reads the settings of tokens', () => {
    expect(readSettings({}).jwt).toBeUndefined();
    const rest = { issuer: who.JWT_ISSUER, audience: 'millrace', clockTolerance_ms: 30_000 };
    expect(readSettings({ ...who, JWT_HS256_SECRET: long }).jwt).toEqual({
      ...rest,
      key: { kind: 'secret', secret: long },
      algorithms: ['HS256'],
      tenantClaim: 'tenant',
      roleClaim: 'role',
    });
    expect(readSettings({ ...who, JWT_JWKS_URL: url, JWT_ROLE_CLAIM: 'r' }).jwt).toMatchObject({
      key: { kind: 'jwks', url },
      algorithms: ['RS256', 'ES256'],
      roleClaim: 'r',
    });
    const one = readSettings({ ...who, JWT_JWKS_URL: url, JWT_ALGORITHMS: 'ES256' });
    expect(one.jwt?.algorithms).toEqual(['ES256']);
    // The settings go to a worker thread.
    expect(structuredClone(one)).toEqual(one);
  });

  it.each<[string, Record<string, string>]>([
    ['JWT_HS256_SECRET', { ...who, JWT_HS256_SECRET: 'x'.repeat(31) }],
    ['JWT_JWKS_URL', { ...who, JWT_JWKS_URL: url, JWT_HS256_SECRET: long }],
    ['JWT_JWKS_URL', { ...who, JWT_JWKS_URL: 'file:///etc/passwd' }],
    ['JWT_JWKS_URL', { ...who, JWT_JWKS_URL: 'https://user:pass@id.example.com/jwks' }],
    ['JWT_JWKS_URL', { ...who, JWT_JWKS_URL: 'id.example.com' }],
    ['JWT_ALGORITHMS', { ...who, JWT_HS256_SECRET: long, JWT_ALGORITHMS: 'RS256' }],
    ['JWT_ALGORITHMS', { ...who, JWT_JWKS_URL: url, JWT_ALGORITHMS: 'RS256,HS256' }],
    ['JWT_ALGORITHMS', { ...who, JWT_JWKS_URL: url, JWT_ALGORITHMS: 'none' }],
    ['JWT_ALGORITHMS', { ...who, JWT_JWKS_URL: url, JWT_ALGORITHMS: 'RS256,' }],
    ['JWT_ISSUER', { JWT_AUDIENCE: 'a', JWT_JWKS_URL: url }],
    ['JWT_AUDIENCE', { JWT_ISSUER: 'i', JWT_HS256_SECRET: long }],
    ['JWT_ISSUER', { JWT_ISSUER: 'i' }],
    ['JWT_ROLE_CLAIM', { ...who, JWT_JWKS_URL: url, JWT_ROLE_CLAIM: 'tenant' }],
    ['JWT_ROLE_CLAIM', { ...who, JWT_JWKS_URL: url, JWT_ROLE_CLAIM: 'iss' }],
    ['JWT_TENANT_CLAIM', { ...who, JWT_JWKS_URL: url, JWT_TENANT_CLAIM: 'a "b"' }],
    ['JWT_CLOCK_TOLERANCE', { ...who, JWT_JWKS_URL: url, JWT_CLOCK_TOLERANCE: '1h' }],
  ])('stops for a bad %s: %j', (name, env) => {
    const read = (): unknown => readSettings(env);
    expect(read).toThrow(expect.objectContaining({ code: 'bad_setting' }));
    expect(read).toThrow(new RegExp(`Bad setting: ${name} [^.]+\\.`));
    expect(read).not.toThrow(/xxxx/);
  });

  it('does not repeat secrets', () => {
    expect(() => readSettings({ ADMIN_KEY: 'my secret' })).toThrow(/^(?!.*my secret)/);
  });

  it('reads what any topology needs from the same schema', () => {
    const env = { DATA_DIR: '/x', NATS_URL: 'nats://h:1', ALLOW_TOPOLOGY_CHANGE: '1', PORT: 'not looked at' };
    const host = readHostSettings(env);
    expect(host).toMatchObject({ dataDir: '/x', nats: { url: 'nats://h:1' }, allowTopologyChange: true });
    expect(readSettings({ ...env, PORT: '' })).toMatchObject(host);
    expect(() => readHostSettings({ NATS_URL: 'http://x' })).toThrow(/Bad setting: NATS_URL/);
  });

  it('describes every setting', () => {
    for (const [name, schema] of Object.entries(settingsSchema.shape))
      expect(schema.description, name).toBeTruthy();
  });
});
