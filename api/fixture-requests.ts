import { fc } from '../test/property.ts';
import type { Json, OpenApi, Operation } from './fixture-operations.ts';

/** Requests made from the OpenAPI document: right ones, nearly right ones and rubbish. For tests. */

export interface Sent {
  readonly operation: Operation;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

const deep = (levels: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { and: value };
  return value;
};

/** Values that have broken something somewhere. */
const nasty = fc.constantFrom<unknown>(
  ...[
    '__proto__',
    'constructor',
    'toString',
    '\ud800',
    '\u0000',
    '\u202e',
    '%2e%2e%2f',
    '',
    ' ',
    '*',
    'a.b',
    'e\u0301',
  ],
  ...[
    '999999999999999999999999',
    '1e999',
    'NaN',
    '-0',
    'null',
    '2025-02-30T00:00:00Z',
    '+275760-09-13T00:00:00Z',
  ],
  ...['0000-01-01T00:00:00Z', '2025-09-01T10:00:00Z', 'Europe/London', 'q_AAAAAAAA', 'x'.repeat(10_000)],
  ...[
    1e308,
    -1e308,
    -0,
    0.1,
    -1,
    2 ** 31,
    2 ** 53,
    2 ** 64,
    Number.MIN_VALUE,
    null,
    true,
    {},
    [],
    [[]],
    [null],
  ],
  ...[deep(50), deep(2_000), { query_id: 'q_AAAAAAAA' }, { EVENTS: { 0: 1 } }, { EVENTS: { 0: 1e15 } }],
  JSON.parse('{"__proto__":{"polluted":true}}'),
);
const anything = fc.oneof(
  { weight: 3, arbitrary: nasty },
  fc.jsonValue({ maxDepth: 3 }),
  fc.integer(),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

const often = <T>(usual: fc.Arbitrary<T>, rare: fc.Arbitrary<T>, weight = 9): fc.Arbitrary<T> =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: rare });

const MAX_DEPTH = 6;
/** Strings that mean something somewhere: times, names, codes. */
const WORDS = fc.constantFrom(
  ...[
    '2025-09-01T00:00:00Z',
    '2025-09-02T00:00:00Z',
    '2025-08-01T00:00:00Z',
    'UTC',
    'Europe/Berlin',
    'GBP',
    'EUR',
  ],
  ...[
    'order.created',
    'visit',
    'country',
    'channel',
    'orders_count',
    'revenue',
    'web',
    'GB',
    '1d',
    '1h',
    'viewer',
  ],
);

/** Values of a JSON Schema, as far as it says: what it cannot say (a pattern) is guessed. */
export class SchemaValues {
  readonly #schemas: Readonly<Record<string, Json>>;

  constructor(schemas: Readonly<Record<string, Json>>) {
    this.#schemas = schemas;
  }

  of(given: Json, depth = 0): fc.Arbitrary<unknown> {
    const schema = this.#resolved(given);
    if (depth > MAX_DEPTH) return fc.constant(null);
    if (schema.const !== undefined) return fc.constant(schema.const);
    if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
    const choices = (schema.anyOf ?? schema.oneOf) as Json[] | undefined;
    if (choices !== undefined) return fc.oneof(...choices.map((one) => this.of(one, depth + 1)));
    if (Array.isArray(schema.allOf)) {
      const parts = (schema.allOf as Json[]).map((one) => this.of(one, depth + 1));
      return fc.tuple(...parts).map((all) => Object.assign({}, ...all.map(Object)));
    }
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
    switch (type) {
      case 'object':
        return this.#object(schema, depth);
      case 'array':
        return fc.array(this.of((schema.items ?? {}) as Json, depth + 1), {
          minLength: Math.min(Number(schema.minItems ?? 0), 3),
          maxLength: Math.min(Number(schema.maxItems ?? 3), 3),
        });
      case 'integer':
        return fc.integer(boundsOf(schema));
      case 'number':
        return fc.oneof(fc.integer(boundsOf(schema)), fc.double({ min: 0, max: 100, noNaN: true }));
      case 'boolean':
        return fc.boolean();
      case 'null':
        return fc.constant(null);
      case 'string':
        return fc.oneof({ weight: 4, arbitrary: WORDS }, fc.string({ minLength: 1, maxLength: 12 }));
      default:
        return anything;
    }
  }

  #resolved(schema: Json): Json {
    const ref = schema.$ref;
    return typeof ref === 'string' ? (this.#schemas[ref.slice(ref.lastIndexOf('/') + 1)] ?? {}) : schema;
  }

  #object(schema: Json, depth: number): fc.Arbitrary<unknown> {
    const properties = Object.entries((schema.properties ?? {}) as Record<string, Json>);
    const required = (schema.required ?? []) as string[];
    if (properties.length === 0) return fc.dictionary(WORDS, anything, { maxKeys: 2 });
    const members = properties.map(([name, one]) => {
      const value = this.of(one, depth + 1);
      const isLikely = required.includes(name) ? 50 : 1;
      return fc
        .tuple(fc.oneof({ weight: isLikely, arbitrary: fc.constant(true) }, fc.constant(false)), value)
        .map(([isThere, it]) => (isThere ? { [name]: it } : {}));
    });
    return fc.tuple(...members).map((all) => Object.assign({}, ...all) as unknown);
  }
}

function boundsOf({ minimum, maximum, exclusiveMinimum }: Json): { min: number; max: number } {
  const min = Math.max(
    Number(minimum ?? (exclusiveMinimum === undefined ? 0 : Number(exclusiveMinimum) + 1)),
    -1e6,
  );
  return { min: Math.ceil(min), max: Math.max(Math.ceil(min), Math.min(Number(maximum ?? 1_000), 1e6)) };
}

/** A value with something of it changed, added or taken away, at any depth. */
function nearly(good: unknown): fc.Arbitrary<unknown> {
  const change = fc.record({
    step: fc.nat(),
    into: fc.boolean(),
    name: fc.option(fc.string()),
    value: anything,
  });
  return fc.array(change, { minLength: 1, maxLength: 3 }).map((changes) => {
    const copy = structuredClone(good);
    for (const { step, into, name, value } of changes) {
      let at: unknown = copy;
      for (let level = 0; level < 8 && typeof at === 'object' && at !== null; level++) {
        const keys = Object.keys(at);
        const key = name ?? keys[step % Math.max(1, keys.length)] ?? 'x';
        // Its own: `__proto__` would lead to what all objects share.
        const child = Object.hasOwn(at, key) ? (at as Json)[key] : undefined;
        if (into && typeof child === 'object' && child !== null) at = child;
        else {
          // A copy: a later change may go into it, and the value may be there twice.
          const own = { value: structuredClone(value), enumerable: true, configurable: true, writable: true };
          Object.defineProperty(at, key, own);
          break;
        }
      }
    }
    return copy;
  });
}

/** Halves of a character that UTF-8, and so a URL, cannot carry. */
const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? '');

/** Requests of all operations; `ids` are of things that there are, by the path's first part. */
export function requestsOf(
  { operations, schemas }: OpenApi,
  ids: Readonly<Record<string, readonly string[]>>,
): fc.Arbitrary<Sent> {
  const values = new SchemaValues(schemas);
  // Made once for each operation: schemas are large.
  const byOperation = operations.map((operation) => {
    const [, family = ''] = operation.path.split('/');
    const known = ids[family] ?? ['x'];
    return fc
      .record({
        method: often(
          fc.constant(operation.method),
          fc.constantFrom('PUT', 'PATCH', 'HEAD', 'OPTIONS', 'GET'),
          30,
        ),
        base: often(
          fc.constant('/v1/order-analytics'),
          segment.map((one) => `/v1/${one}/order-analytics`),
          15,
        ),
        id: often(fc.constantFrom(...known), segment, 4),
        query: queryOf(operation, values),
        headers: headersOf(operation),
        body: operation.body === undefined ? fc.constant(undefined) : bodyOf(operation.body, values),
      })
      .map(({ method, base, id, query, headers, body }) => ({
        ...{ operation, method, headers },
        path: `${base}${operation.path.replaceAll(/\{\w+\}/g, id)}${query}`,
        body: method === 'GET' || method === 'HEAD' ? undefined : body,
      }));
  });
  return fc.oneof(...byOperation);
}

const segment = fc.oneof(
  fc.constantFrom(
    'x',
    '%00',
    '%ff',
    '..',
    'job_x',
    'preset',
    '%2F',
    '__proto__',
    'a.b',
    '%F0%9F%92%A9',
    'x'.repeat(200),
  ),
  fc.webSegment(),
);

function bodyOf(
  { schema, examples }: NonNullable<Operation['body']>,
  values: SchemaValues,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const valid =
    examples.length === 0 ? values.of(schema) : fc.oneof(fc.constantFrom(...examples), values.of(schema));
  const text = fc.oneof(
    { weight: 6, arbitrary: valid.map(textOf) },
    { weight: 10, arbitrary: valid.chain(nearly).map(textOf) },
    { weight: 2, arbitrary: anything.map(textOf) },
    { weight: 1, arbitrary: valid.map((value) => textOf(value).slice(0, -3)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('[', '{'.repeat(5_000), '[1,]', '{"a":1,"a":2}', '\ufeff{}', '1e99999'),
    },
  );
  const rubbish = fc.uint8Array({ maxLength: 200 });
  return often(
    text.map((one) => new Uint8Array(Buffer.from(one))),
    rubbish.map((bytes) => new Uint8Array(bytes)),
    20,
  );
}

function queryOf({ query }: Operation, values: SchemaValues): fc.Arbitrary<string> {
  const pairs = query.map(({ name, schema }) =>
    fc
      .tuple(fc.constant(name), often(values.of(schema), anything, 3))
      .map(([key, value]) => [key, textOf(value)]),
  );
  const stray = fc.tuple(
    fc.constantFrom('x', '__proto__', 'limit', 'cursor', 'dry_run'),
    anything.map(textOf),
  );
  const pair = pairs.length === 0 ? stray : often(fc.oneof(...pairs), stray, 12);
  const several = fc.array(pair, { maxLength: 4 }).map((all) => {
    const text = all
      .map(([name = '', value = '']) => `${name}=${encodeURIComponent(value.replaceAll(LONE, ''))}`)
      .join('&');
    return text === '' ? '' : `?${text.slice(0, 8_000)}`;
  });
  return pairs.length === 0 ? often(fc.constant(''), several, 15) : several;
}

function headersOf({ media_types }: Operation): fc.Arbitrary<Record<string, string>> {
  const odd = fc.oneof(
    fc.constantFrom('', '0', '*', 'x'.repeat(300), 'default', '..', 'a b', '"1"'),
    fc.string(),
  );
  const maybe = (weight = 12): fc.Arbitrary<string | undefined> => often(fc.constant(undefined), odd, weight);
  const types = fc.constantFrom(
    'application/json; charset=x',
    'application/x-ndjson',
    'text/plain',
    'x',
    '',
    'a/b;c',
  );
  return fc
    .record({
      'content-type': often(fc.constantFrom(...media_types, 'application/json'), types, 12),
      'content-encoding': often(
        fc.constant<string | undefined>(undefined),
        fc.constantFrom('gzip', 'identity', 'br', ''),
      ),
      'idempotency-key': maybe(3),
      'if-match': maybe(6),
      'x-tenant-id': maybe(),
      'x-request-id': maybe(),
      accept: fc.constantFrom('application/json', '*/*', 'text/html', 'text/event-stream', ''),
    })
    .map((all) => {
      // What a header cannot carry does not reach the app.
      const sendable = Object.entries(all).filter(
        ([, text]) => text !== undefined && /^[\t\x20-\x7e]*$/.test(text),
      );
      return Object.fromEntries(sendable) as Record<string, string>;
    });
}
