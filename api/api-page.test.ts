import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiTable, apiPage, apiTables } from '../scripts/api-page.ts';
import { Operations, readRecord, testsOf, writeRecord } from '../test/requests-made.ts';
import { startTestApi, type TestApi } from './fixture-api.ts';
import { COMPARED, ELSEWHERE, NONE, numbersOf } from './numbers/fixture-catalogue.ts';

const ROOT = resolve(import.meta.dirname, '..');
const isUpdate = process.env.UPDATE_EXAMPLES === '1';
const record = readRecord();
const FIRST = '/v1/order-analytics';

let api: TestApi;
let tables: readonly ApiTable[];
beforeAll(async () => {
  api = await startTestApi();
  const tested = { test: (id: string) => testsOf(record, id)[0], numbers: numbersOf };
  tables = apiTables(api.api.routes, tested);
});
afterAll(() => api.close());

describe('the page of the five APIs', () => {
  it('is what the routes and the record of requests say; UPDATE_EXAMPLES=1 writes it', () => {
    const { path, text } = apiPage(ROOT, tables);
    if (isUpdate) writeFileSync(join(ROOT, path), text);
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text);
  });

  it('has a route for every endpoint, a test that has executed it, and one of its numbers', () => {
    const rows = tables.flatMap((table) => table.rows);
    expect(rows.length).toBe(116);
    const missing = rows.flatMap(({ endpoint, route, test, numbers }) =>
      route !== undefined && test !== undefined && numbers !== undefined
        ? []
        : [[endpoint, route === undefined, test === undefined, numbers === undefined]],
    );
    expect(missing).toEqual([]);
  });

  it('names files that are there, and tests of numbers that have executed what they compare', () => {
    const rows = tables.flatMap((table) => table.rows);
    const wrong = rows.flatMap(({ endpoint, route, test = '', numbers }) => {
      const compared = numbers !== undefined && 'test' in numbers ? numbers.test : test;
      const hasAsked = testsOf(record, route?.id ?? '').includes(compared);
      return existsSync(join(ROOT, test)) && hasAsked ? [] : [`${endpoint}: ${test}, ${compared}`];
    });
    expect(wrong).toEqual([]);
    for (const { test, named } of Object.values(ELSEWHERE))
      expect([test, readFileSync(join(ROOT, test), 'utf8').includes(named)]).toEqual([test, true]);
    const listed = [
      ...Object.values(COMPARED).flatMap((all) =>
        all.map(([endpoint]) => endpoint.replace(` ${FIRST}`, ' ')),
      ),
      ...[...Object.keys(ELSEWHERE), ...Object.values(NONE).flat()],
    ];
    expect(listed.toSorted()).toEqual(rows.map(({ endpoint }) => endpoint).toSorted());
  });
});

describe('the record of requests', () => {
  it('knows the operations of the page, and none that is gone; UPDATE_EXAMPLES=1 writes all', () => {
    const operations = Object.fromEntries(
      api.api.routes.map(({ id, method, face, path }) => [id, `${method} ${(face?.base ?? FIRST) + path}`]),
    );
    if (isUpdate) writeRecord({ operations, files: record.files });
    const known = readRecord().operations;
    expect(operations).toMatchObject(known);
    const shown = tables.flatMap(({ rows }) => rows.map(({ route }) => route?.id ?? ''));
    expect(shown.filter((id) => known[id] === undefined)).toEqual([]);
  });

  it('takes a request for the most exact of the paths that it fits', () => {
    const operations = new Operations({
      ...{ one: 'GET /v1/order-analytics/jobs/{jobId}', lanes: 'GET /v1/order-analytics/jobs/lanes' },
      ...{ root: 'GET /', make: 'POST /v1/order-analytics/jobs/{jobId}' },
    });
    expect(operations.find('GET', '/v1/order-analytics/jobs/job_1')).toBe('one');
    expect(operations.find('GET', '/v1/a/order-analytics/jobs/lanes')).toBe('lanes');
    expect(operations.find('GET', '/')).toBe('root');
    expect(operations.find('POST', '/v1/order-analytics/jobs/job_1')).toBe('make');
    expect(operations.find('GET', '/v1/order-analytics/jobs/job_1/events')).toBeUndefined();
  });
});

describe('GET / and GET /analytics', () => {
  it('list every endpoint that the service has', async () => {
    const wanted = api.api.routes.map(
      ({ method, face, path }) => `${method} ${(face?.base ?? '/v1/order-analytics') + path}`,
    );
    for (const path of ['/', '/analytics']) {
      const { endpoints } = (await (await api.send(path)).json()) as {
        endpoints: readonly { method: string; path: string; summary: string }[];
      };
      expect(endpoints.map((one) => `${one.method} ${one.path}`)).toEqual(wanted);
      expect(endpoints.filter(({ summary }) => summary === '')).toEqual([]);
    }
    // What the document of the API describes is there, and nothing else.
    const { paths } = (await (await api.send('/openapi.json')).json()) as { paths: Record<string, object> };
    const documented = Object.entries(paths)
      .filter(([path]) => !path.startsWith('/v1/{'))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
    expect(documented.sort()).toEqual([...wanted].sort());
  });
});
