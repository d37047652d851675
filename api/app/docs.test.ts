import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programVersion } from '../../runtime/index.ts';
import { startTestApi, type TestApi } from '../fixture-api.ts';
import { basesOf } from './app.ts';

let test: TestApi;
beforeAll(async () => {
  test = await startTestApi();
});
afterAll(() => test.close());

interface Operation {
  operationId: string;
  summary: string;
  security: unknown[];
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<
    string,
    { description: string; content?: Record<string, { schema?: object; examples?: object }> }
  >;
}
interface Document {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: object; securitySchemes: object };
}

async function document(): Promise<Document> {
  return (await (await test.send('/openapi.json')).json()) as Document;
}

describe('/openapi.json', () => {
  it('documents every route under each of its bases, with answers, errors and security', async () => {
    const { openapi, info, paths, components } = await document();
    expect(openapi).toBe('3.1.0');
    expect(info.version).toBe(programVersion());
    expect(components.securitySchemes).toMatchObject({
      apiKey: { scheme: 'bearer' },
      jwt: { scheme: 'bearer', bearerFormat: 'JWT' },
    });
    const ids = new Set<string>();
    for (const route of test.api.routes) {
      for (const base of basesOf(route)) {
        const operation = paths[base + route.path]?.[route.method.toLowerCase()];
        expect(operation, base + route.path).toBeDefined();
        if (operation === undefined) continue;
        ids.add(operation.operationId);
        expect(operation.security).toEqual(route.permission === 'none' ? [] : [{ apiKey: [] }, { jwt: [] }]);
        for (const [status, { description, content }] of Object.entries(operation.responses)) {
          expect(description).not.toBe('');
          if (Number(status) >= 400 && route.id !== 'getHealth') {
            const type = route.face?.media_type ?? 'application/problem+json';
            expect(content?.[type]?.examples, `${route.id} ${status}`).toBeDefined();
          }
        }
        for (const name of base.includes('{') ? ['tenantId'] : []) {
          expect(operation.parameters?.map((parameter) => parameter.name)).toContain(name);
        }
      }
    }
    expect(ids.size).toBe(test.api.routes.flatMap(basesOf).length);
  });

  it('describes bodies, parameters and headers', async () => {
    const { paths } = await document();
    const query = paths['/v1/order-analytics/kpis/query']?.post;
    const schema = query?.requestBody?.content['application/json']?.schema;
    expect(schema).toHaveProperty('properties.metrics');
    expect(schema).toHaveProperty('properties.granularity');
    const ingest = paths['/v1/order-analytics/ingest']?.post;
    expect(Object.keys(ingest?.requestBody?.content ?? {})).toContain('application/x-ndjson');
    const headers = ingest?.parameters
      ?.filter((parameter) => parameter.in === 'header')
      .map(({ name }) => name);
    expect(headers).toEqual(['X-Tenant-ID', 'Idempotency-Key']);
    const jobs = paths['/v1/order-analytics/jobs']?.get;
    expect(jobs?.parameters?.map(({ name }) => name)).toContain('cursor');
  });
});

describe('documentation pages', () => {
  it.each(['/docs', '/docs/', '/redoc', '/redoc/'])('%s and all it loads come from here', async (path) => {
    const response = await test.send(path);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'self'");
    const html = await response.text();
    expect(html).not.toMatch(/https?:\/\//);
    const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url]) => url ?? '');
    expect(loaded.length).toBeGreaterThan(2);
    for (const url of loaded) {
      const file = await test.send(url);
      expect(file.status, url).toBe(200);
      expect((await file.arrayBuffer()).byteLength, url).toBeGreaterThan(50);
    }
  });

  it('are sent compressed to who takes that, and whole to others', async () => {
    for (const url of ['/docs/swagger-ui-bundle.js', '/redoc/redoc.standalone.js', '/docs/swagger-ui.css']) {
      const answers = await Promise.all(
        ['gzip, br', 'identity'].map((takes) => test.send(url, { headers: { 'Accept-Encoding': takes } })),
      );
      const [short, whole] = await Promise.all(answers.map((answer) => answer.arrayBuffer()));
      expect(answers.map(({ headers }) => headers.get('content-encoding'))).toEqual(['gzip', null]);
      expect(gunzipSync(short ?? new ArrayBuffer(0)).equals(Buffer.from(whole ?? new ArrayBuffer(0)))).toBe(
        true,
      );
    }
  });

  it('serve nothing else of the packages', async () => {
    for (const path of ['/docs/package.json', '/docs/../package.json', '/redoc/redoc.lib.js']) {
      expect((await test.send(path)).status, path).toBe(404);
    }
  });

  it('has an index at /', async () => {
    expect(await (await test.send('/')).json()).toMatchObject({ docs: '/docs', openapi: '/openapi.json' });
  });
});
