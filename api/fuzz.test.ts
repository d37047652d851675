import { afterAll, beforeAll, expect, it } from 'vitest';
import { fc, propertySeed } from '../test/property.ts';
import { orderEvent, startTestApi, type TestApi } from './fixture-api.ts';

/** Whatever a client sends, the answer is no 5xx and every error is a problem. */

const TIME_MS = 8_000;

let test: TestApi;
let key: string;

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  key = await test.key('admin', { tenants: '*' });
  await test.send('/ingest', { key, json: [orderEvent('e1'), orderEvent('e2', { country: 'DE' })] });
  await test.apply();
});
afterAll(() => test.close());

const nasty = fc.constantFrom<unknown>(
  '__proto__',
  'constructor',
  '\ud800',
  '\u0000',
  '%2e%2e%2f',
  '999999999999999999999999',
  1e308,
  -0,
  2 ** 53,
  Number.MAX_SAFE_INTEGER,
  '',
  null,
  {},
  [],
  '2025-02-30T00:00:00Z',
  '2025-09-01T10:00:00Z',
  '+275760-09-13T00:00:00Z',
  '0000-01-01T00:00:00Z',
  'Europe/London',
  'q_AAAAAAAA',
  { query_id: 'q_AAAAAAAA' },
  { EVENTS: { 0: 1 } },
  'x'.repeat(10_000),
  JSON.parse('{"__proto__":{"polluted":true}}'),
);
const value = fc.oneof(
  { weight: 3, arbitrary: nasty },
  fc.jsonValue({ maxDepth: 3 }),
  fc.integer(),
  fc.boolean(),
);

const QUERY = {
  metrics: ['orders_count', 'revenue', 'customers_active'],
  start: '2025-09-01T00:00:00Z',
  end: '2025-09-02T00:00:00Z',
  granularity: '1h',
  group_by: ['country'],
  filters: { channel: 'web' },
  aggregation: 'sum',
  timezone: 'UTC',
  currency: 'GBP',
  limit: 10,
};
const ASKED = {
  ...{ ...QUERY, dry_run: false, explain: false, min_position: { EVENTS: { 0: 1 } } },
  as_of: { EVENTS: { 0: 1 } },
};

/** A good object, mostly with some of its members changed, added or taken away. */
function mutated(good: Record<string, unknown>): fc.Arbitrary<unknown> {
  const member = fc.tuple(
    fc.oneof(fc.constantFrom(...Object.keys(good)), fc.string()),
    fc.oneof(value, fc.constant(undefined)),
  );
  return fc
    .array(member, { maxLength: 2 })
    .map((changes) => Object.assign(Object.create(null), good, Object.fromEntries(changes)));
}

const field = fc.oneof(
  fc.constantFrom(
    'type',
    'time',
    'event_id',
    'order_id',
    'amount',
    'items[].sku',
    'items[0]',
    'data.a',
    '__proto__',
  ),
  fc.string(),
);
const operatorOf = fc
  .tuple(fc.constantFrom('eq', 'ne', 'in', 'range', 'prefix', 'contains', 'exists'), value)
  .map(([operator, of]) => (operator === 'range' ? { range: { gte: of } } : { [operator]: of }));
/** Conditions that are right, or nearly. */
const condition = fc.letrec<{ one: unknown }>((tie) => ({
  one: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.tuple(field, operatorOf).map(([name, test]) => ({ field: name, ...test })),
    fc.record({ and: fc.array(tie('one'), { maxLength: 3 }) }),
    fc.record({ or: fc.array(tie('one'), { maxLength: 3 }) }),
    fc.record({ not: tie('one') }),
    value,
  ),
})).one;
const SEARCH = {
  text: 'a',
  from: '2025-09-01T00:00:00Z',
  order: 'asc',
  limit: 5,
  max_scan: 10,
  explain: false,
};
const searches = fc
  .tuple(mutated(SEARCH), condition, fc.boolean())
  .map(([body, query, hasQuery]) => (hasQuery ? Object.assign(Object.create(null), body, { query }) : body));

const event = mutated(orderEvent('e', { items: [{ sku: 's', quantity: 1, unit_price: 5 }], data: { a: 1 } }));
/** What each route expects, more or less. */
const BODIES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  queryKpis: mutated(ASKED),
  batchKpis: fc.array(mutated({ id: 'a', ...QUERY }), { maxLength: 3 }).map((queries) => ({ queries })),
  searchEvents: searches,
  createKey: mutated({ name: 'k', role: 'viewer', tenants: 'own', expires_at: '2030-01-01T00:00:00Z' }),
  ingestEvents: fc.oneof(event, fc.array(event, { maxLength: 5 })),
  bulkIngest: event,
  validateEvents: fc.array(event, { maxLength: 5 }),
};
function bytesFor(id: string): fc.Arbitrary<Buffer> {
  return fc.oneof(
    { weight: 20, arbitrary: (BODIES[id] ?? value).map((json) => Buffer.from(JSON.stringify(json) ?? '')) },
    { weight: 1, arbitrary: value.map((json) => Buffer.from(JSON.stringify(json) ?? '')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }).map((random) => Buffer.from(random)) },
    { weight: 1, arbitrary: fc.string().map((text) => Buffer.from(`{"a":"${text}`)) },
  );
}

const header = fc.oneof(fc.constantFrom('', '0', '*', 'x'.repeat(300), 'default', '..', 'a b'), fc.string());
const often = <T>(arbitrary: fc.Arbitrary<T>, usual: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary });
const headers = fc.record({
  'content-type': often(
    fc.constantFrom('application/json; charset=x', 'application/x-ndjson', 'text/plain', 'x', ''),
    'application/json',
  ),
  'content-encoding': often(fc.constantFrom<string | undefined>('gzip', 'identity', 'br', ''), undefined),
  'idempotency-key': often<string | undefined>(header, undefined),
  'x-tenant-id': often<string | undefined>(header, undefined),
  'x-request-id': often<string | undefined>(header, undefined),
  accept: fc.constantFrom('application/json', '*/*', 'text/html', ''),
});

const parameter = fc.tuple(
  fc.constantFrom(
    'limit',
    'cursor',
    'page',
    'status',
    'type',
    'start',
    'end',
    'timezone',
    'currency',
    'min_position',
    'dry_run',
    'explain',
    'as_of',
    'order',
    'from',
    'order_id',
    'sku',
    '__proto__',
    'x',
  ),
  fc.oneof(nasty.map(String), fc.string(), fc.integer().map(String)),
);
const search = fc.array(parameter, { maxLength: 3 }).map((pairs) => {
  const text = pairs
    .map(([name, text]) => `${name}=${encodeURIComponent(text.replaceAll(/[\ud800-\udfff]/g, ''))}`)
    .join('&');
  return text === '' ? '' : `?${text}`;
});
const segment = fc.oneof(
  fc.constantFrom('x', '%00', '%ff', '..', 'job_x', 'preset', '%2F', '__proto__'),
  fc.webSegment(),
);

it('answers anything without a 5xx', { timeout: TIME_MS + 120_000 }, async () => {
  console.info(`PROPERTY_SEED=${propertySeed}`);
  const usual = '/v1/order-analytics';
  const methods = fc.constantFrom<string | undefined>('PUT', 'PATCH', 'HEAD', 'OPTIONS');
  const request = fc.constantFrom(...test.api.routes).chain(({ id: route, method, path }) =>
    fc.record({
      target: fc.constant({ method, path }),
      method: often(methods, undefined),
      base: often(
        segment.map((tenant) => `/v1/${tenant}/order-analytics`),
        usual,
      ),
      id: segment,
      search: method === 'GET' ? fc.oneof(fc.constant(''), search) : often(search, ''),
      headers,
      bytes: bytesFor(route),
    }),
  );
  const property = fc.asyncProperty(request, async (sent) => {
    const method = sent.method ?? sent.target.method;
    const path = `${sent.base}${sent.target.path.replaceAll(/\{\w+\}/g, sent.id)}${sent.search}`;
    const given = new Headers({ authorization: `Bearer ${key}` });
    for (const [name, text] of Object.entries(sent.headers)) {
      // What a header cannot carry does not reach the app.
      if (text !== undefined && /^[\t\x20-\x7e]*$/.test(text)) given.set(name, text);
    }
    const bodyless = method === 'GET' || method === 'HEAD';
    const init = { method, headers: given, ...(bodyless ? {} : { body: Uint8Array.from(sent.bytes) }) };
    const response = await test.api.app.request(path, init);
    expect(response.status, `${method} ${path}`).toBeLessThan(500);
    if (response.status >= 400 && method !== 'HEAD') {
      expect(await response.json()).toMatchObject({ status: response.status, code: expect.any(String) });
    }
  });
  await fc.assert(property, { numRuns: 100_000, interruptAfterTimeLimit: TIME_MS, endOnFailure: true });
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
});
