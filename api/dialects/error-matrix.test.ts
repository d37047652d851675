import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orderEvent, startTestApi, type TestApi } from '../fixture-api.ts';
import type { Route } from '../http/index.ts';

/**
 * Every endpoint of the other APIs, made from the OpenAPI document, with each of its parameters and members wrong in
 * turn: dates, ranges, names of a list, ids. What is added later is in it at once.
 */

type Json = Record<string, unknown>;

interface Documented {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Json }[];
  readonly requestBody?: {
    readonly content: Readonly<
      Record<string, { readonly examples?: Readonly<Record<string, { readonly value: unknown }>> }>
    >;
  };
}

/** A request that is wrong in one way, and the answer to it. */
interface Wrong {
  readonly what: string;
  readonly path: string;
  readonly method: string;
  readonly json?: unknown;
  readonly wanted: { readonly status: number; readonly body: unknown };
}

let test: TestApi;
let key: string;
let wrongs: readonly Wrong[];

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
  key = await test.key('admin');
  const items = [{ sku: 'tea', quantity: 1, unit_price: 1_000 }];
  const json = [orderEvent('e-1', { voucher_code: 'WELCOME10', items })];
  expect((await test.send('/ingest', { key, json })).status).toBe(202);
  await test.apply();
  const document = (await (await test.send('/openapi.json')).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
  };
  const routes = new Map(test.api.routes.map((route) => [route.id, route]));
  wrongs = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, documented]) => {
      const route = routes.get(documented.operationId);
      return route?.face === undefined ? [] : wrongsOf(route, path, method.toUpperCase(), documented);
    }),
  );
});
afterAll(() => test.close());

/** Pairs of members that are the first and the last day of a range. */
const PAIRS: readonly (readonly [first: string, last: string])[] = [
  ['from', 'to'],
  ['start_date', 'end_date'],
  ['date_from', 'date_to'],
  ['start', 'end'],
];
/** Things that are there, for parameters of paths. */
const THERE: Readonly<Record<string, string>> = { voucher_id: 'WELCOME10', product_id: 'tea' };

const text = expect.any(String) as unknown;
const inBody = (name: string) => ({ path: name, message: text });

/** How each API says that a value is wrong, that a range ends before it begins, and that something is not there. */
interface Form {
  value(place: string, name: string): Wrong['wanted'];
  date(place: string, name: string): Wrong['wanted'];
  reversed(last: string): Wrong['wanted'];
  unknown(): Wrong['wanted'];
}
const ecommerce = (name: string) => ({
  status: 422,
  body: { detail: [{ loc: ['query', name], msg: text, type: 'validation_failed' }] },
});
const business = (status: number, error: string, ...names: string[]) => ({
  status,
  body: {
    ...{ statusCode: status, error, message: text },
    ...(names.length === 0 ? {} : { details: names.map(inBody) }),
  },
});
const orders = (name: string) => ({
  status: 422,
  body: { message: text, code: 'validation_failed', errors: { [name]: [text] } },
});
const vouchers = (status: number, code: string, details: object) => ({
  status,
  body: { error: { code, message: text, details } },
});
const period = () => vouchers(400, 'INVALID_TIME_PERIOD', { max_days: 90 });

const FORMS: Readonly<Record<Api, Form>> = {
  'E-commerce': {
    value: (_, name) => ecommerce(name),
    date: (_, name) => ecommerce(name),
    reversed: (last) => ecommerce(last),
    unknown: () => ({ status: 404, body: { detail: text } }),
  },
  Business: {
    value: (_, name) => business(400, 'validation_failed', name),
    date: (_, name) => business(400, 'validation_failed', name),
    reversed: () => business(422, 'invalid_range'),
    unknown: () => business(404, 'not_found'),
  },
  Orders: {
    value: (place, name) => orders(place + name),
    date: (place, name) => orders(place === 'filters.' ? name : place + name),
    reversed: (last) => orders(last),
    unknown: () => ({ status: 404, body: { message: text, code: 'not_found' } }),
  },
  Vouchers: {
    value: (place, name) => vouchers(422, 'VALIDATION_FAILED', { errors: [inBody(place + name)] }),
    date: period,
    reversed: period,
    unknown: () => vouchers(404, 'NOT_FOUND', {}),
  },
};

type Api = 'E-commerce' | 'Business' | 'Orders' | 'Vouchers';
function apiOf({ face, tag }: Route): Api {
  if (face?.base === '/api/v1') return 'Orders';
  if (face?.base === '/api/analytics') return 'Business';
  return tag === 'Vouchers' ? 'Vouchers' : 'E-commerce';
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value with one member changed, wherever that lies. */
function changed(value: Json, place: readonly string[], members: Json): Json {
  const [first, ...rest] = place;
  if (first === undefined) return { ...value, ...members };
  return { ...value, [first]: changed(value[first] as Json, rest, members) };
}

/** The objects in a body, with where they lie. */
function objectsIn(
  value: Json,
  place: readonly string[] = [],
): readonly (readonly [readonly string[], Json])[] {
  const inner = Object.entries(value).flatMap(([name, member]) =>
    isObject(member) ? objectsIn(member, [...place, name]) : [],
  );
  return [[place, value], ...inner];
}

function wrongsOf(
  route: Route,
  documented: string,
  method: string,
  { parameters = [], requestBody }: Documented,
): readonly Wrong[] {
  const api = apiOf(route);
  const form = FORMS[api];
  const filled = documented.replaceAll(/\{(\w+)\}/g, (_, name: string) => THERE[name] ?? 'none');
  const example = Object.values(requestBody?.content['application/json']?.examples ?? {})[0]?.value;
  const ask = (query: Readonly<Record<string, string>>, what: string, wanted: Wrong['wanted']): Wrong => {
    const search = new URLSearchParams(query).toString();
    const path = filled + (search === '' ? '' : `?${search}`);
    return {
      what: `${route.id}: ${what}`,
      path,
      method,
      wanted,
      ...(example === undefined ? {} : { json: example }),
    };
  };
  const query = parameters.filter((parameter) => parameter.in === 'query');
  const has = (name: string): boolean => query.some((parameter) => parameter.name === name);
  const inQuery = [
    ...PAIRS.filter(([first]) => has(first)).flatMap(([first, last]) => [
      ...[first, last].flatMap((name) =>
        ['2025-02-30', 'soon', '2025-13-01'].map((bad) =>
          ask(
            { [first]: '2025-08-01', [last]: '2025-08-02', [name]: bad },
            `${name}=${bad}`,
            form.date('', name),
          ),
        ),
      ),
      ask({ [first]: '2025-08-02', [last]: '2025-08-01' }, `${first} after ${last}`, form.reversed(last)),
      ...(api === 'Vouchers'
        ? [ask({ [first]: '2025-06-03', [last]: '2025-09-01' }, '91 days', period())]
        : []),
    ]),
    ...query
      .filter(({ schema }) => Array.isArray(schema.enum))
      .map(({ name }) => ask({ [name]: 'luck' }, `${name}=luck`, form.value('', name))),
  ];
  const names = [...documented.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const path = documented.replaceAll(/\{\w+\}/g, 'none');
  const ofNothing = names.length === 0 ? [] : [{ ...ask({}, 'an id of nothing', form.unknown()), path }];
  const inJson = isObject(example)
    ? objectsIn(example).flatMap(([place, value]) =>
        PAIRS.filter(([first, last]) => first in value && last in value).flatMap(([first, last]) => {
          const ofBody = (members: Json, what: string, wanted: Wrong['wanted']): Wrong => ({
            ...ask({}, what, wanted),
            json: changed(example, place, members),
          });
          const prefix = place.map((name) => `${name}.`).join('');
          return [
            ...[first, last].map((name) =>
              ofBody({ [name]: '2025-02-30' }, `${name} in the body`, form.date(prefix, name)),
            ),
            ofBody(
              { [first]: '2025-08-02', [last]: '2025-08-01' },
              `${first} after ${last} in the body`,
              form.reversed(last),
            ),
            ...(api === 'Vouchers'
              ? [ofBody({ [first]: '2025-06-03', [last]: '2025-09-01' }, '91 days in the body', period())]
              : []),
          ];
        }),
      )
    : [];
  return [...inQuery, ...ofNothing, ...inJson];
}

describe('every parameter of every endpoint of the other APIs', () => {
  it('is refused in the form of its API where it is wrong', async () => {
    const faults: unknown[] = [];
    for (const { what, path, method, json, wanted } of wrongs) {
      const response = await test.send(path, { key, method, ...(json === undefined ? {} : { json }) });
      const body = (await response.json()) as unknown;
      const found = { status: response.status, body };
      try {
        expect(found).toEqual(wanted);
      } catch {
        faults.push([what, path, found, wanted]);
      }
    }
    expect(faults).toEqual([]);
    // Of each kind, by each API.
    const routes = new Map(test.api.routes.map((route) => [route.id, route]));
    const kinds = (api: Api, kind: RegExp): number =>
      wrongs.filter(({ what }) => {
        const route = routes.get(what.slice(0, what.indexOf(':')));
        return route !== undefined && apiOf(route) === api && kind.test(what);
      }).length;
    expect([
      kinds('E-commerce', /=soon/),
      kinds('Business', /=soon/),
      kinds('Orders', /=soon/),
      kinds('Vouchers', /91 days/),
    ]).toEqual([
      ...[expect.toSatisfy((count: number) => count >= 18), expect.toSatisfy((count: number) => count >= 16)],
      ...[expect.toSatisfy((count: number) => count >= 14), expect.toSatisfy((count: number) => count >= 4)],
    ]);
  });

  it('is refused by the first API as a problem, where a range of a body is wrong', async () => {
    const document = (await (await test.send('/openapi.json')).json()) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>>;
    };
    // Of all tenants: what is about the installation is looked at, too.
    const operator = await test.key('admin', { tenants: '*' });
    const faults: unknown[] = [];
    let asked = 0;
    for (const [path, { post }] of Object.entries(document.paths)) {
      const example = Object.values(post?.requestBody?.content['application/json']?.examples ?? {})[0]?.value;
      if (!path.startsWith('/v1/order-analytics/') || !isObject(example)) continue;
      if (path.includes('{') || !('start' in example) || !('end' in example)) continue;
      for (const members of [
        { start: '2025-02-30T00:00:00Z' },
        { end: 'soon' },
        { start: example.end, end: example.start },
      ]) {
        asked++;
        const response = await test.send(path, { key: operator, json: { ...example, ...members } });
        const body = (await response.json()) as Json;
        const isProblem = response.headers.get('content-type') === 'application/problem+json';
        if (response.status !== 422 || !isProblem || body.status !== 422 || typeof body.code !== 'string')
          faults.push([path, members, response.status, body]);
      }
    }
    expect(faults).toEqual([]);
    expect(asked).toBeGreaterThan(45);
  });
});
