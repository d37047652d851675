import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SECTIONS } from '../examples/shop/commands.ts';
import { type ApiTable, apiPage, apiTables } from '../scripts/api-page.ts';
import { asks, EVERY_ENDPOINT } from '../scripts/api-tests.ts';
import { startTestApi, type TestApi } from './fixture-api.ts';

const ROOT = resolve(import.meta.dirname, '..');

let api: TestApi;
let tables: readonly ApiTable[];
beforeAll(async () => {
  api = await startTestApi();
  tables = apiTables(api.api.routes);
});
afterAll(() => api.close());

describe('the page of the five APIs', () => {
  it('is what the routes say; UPDATE_EXAMPLES=1 writes it', () => {
    const { path, text } = apiPage(ROOT, api.api.routes);
    if (process.env.UPDATE_EXAMPLES === '1') writeFileSync(join(ROOT, path), text);
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(text);
  });

  it('has a route for every endpoint', () => {
    const rows = tables.flatMap((table) => table.rows);
    expect(rows.length).toBeGreaterThan(110);
    const missing = rows.filter(({ route }) => route === undefined).map(({ endpoint }) => endpoint);
    expect(missing).toEqual([]);
  });

  it('names a test that is there and sends a request to the endpoint', () => {
    const shown = new Set(SECTIONS.flatMap(({ endpoints }) => endpoints));
    const untested = tables.flatMap(({ rows }) =>
      rows.flatMap(({ endpoint, route, test }) => {
        if (route === undefined) return [];
        const file = join(ROOT, test);
        const whole = `${route.method} ${route.face?.base ?? '/v1/order-analytics'}${route.path}`;
        // That one asks what it lists, and says so itself.
        const isAsked =
          test === EVERY_ENDPOINT
            ? shown.has(whole)
            : existsSync(file) && asks(readFileSync(file, 'utf8'), endpoint);
        return isAsked ? [] : [`${endpoint}: ${test}`];
      }),
    );
    expect(untested).toEqual([]);
  });

  it('knows a request from a mention', () => {
    const text =
      "await test.send(`/funnels/funnel_1/query`, { json }); send('/jobs'); send('/roles/x', { method: 'DELETE' })";
    expect(asks(text, 'POST /funnels/{id}/query')).toBe(true);
    expect(asks(text, 'GET /jobs')).toBe(true);
    expect(asks(text, 'DELETE /roles/{id}')).toBe(true);
    expect(asks(text, 'PATCH /roles/{id}')).toBe(false);
    expect(asks(text, 'POST /funnels/{id}')).toBe(false);
    expect(asks('// GET /jobs lists jobs', 'GET /jobs')).toBe(false);
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
