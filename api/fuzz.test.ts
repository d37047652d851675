import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fc, propertySeed } from '../test/property.ts';
import { startTestApi, type TestApi } from './fixture-api.ts';
import { fakeBackfill } from './fixture-backfill.ts';
import { type Json, type OpenApi, openApiOf, World } from './fixture-operations.ts';
import { requestsOf, type Sent } from './fixture-requests.ts';

/** Whatever a client sends, the answer is no 5xx, and every error is a problem that the operation documents. */

const REQUESTS = process.env.TEST_LONG === '1' ? 20_000 : 2_000;
/** Requests that are made at a time. */
const BATCH = 500;
/** Live bytes that all requests may leave: definitions, keys and jobs are bounded, and so is what a response holds. */
const MAX_GROWTH_BYTES = 128 * 1_048_576;
/** What the state may say to a wish for freshness that it cannot grant. */
const UNMET = new Set(['freshness_unmet', 'position_unmet']);
/** A path or method that is no operation. */
const NO_OPERATION = new Set(['route_not_found', 'method_not_allowed']);

let test: TestApi;
let openApi: OpenApi;
let ids: Record<string, string[]>;
let key: string;

beforeAll(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' }, fakeBackfill());
  key = await test.key('admin', { tenants: '*' });
  openApi = await openApiOf(test);
  const world = await World.of(test, openApi, 'default');
  ids = { events: [world.event_id], jobs: [await world.job()], exports: [await world.job()] };
  for (const { path, method } of openApi.operations) {
    const [, family = '', ...rest] = path.split('/');
    if (method !== 'GET' || rest[0]?.startsWith('{') !== true || ids[family] !== undefined) continue;
    ids[family] = [await world.make(`/${family}`), await world.make(`/${family}`)];
  }
});
afterAll(() => test.close());

setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;
function liveBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

async function check({ operation, method, path, headers, body }: Sent): Promise<number> {
  const what = `${operation.id}: ${method} ${path.slice(0, 300)}`;
  const init = { method, headers: { ...headers, authorization: `Bearer ${key}` } };
  const response = await test.api.app.request(path, body === undefined ? init : { ...init, body });
  const { status } = response;
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('text/event-stream')) await response.body?.cancel();
  if (status < 400 || method === 'HEAD') {
    if (!type.startsWith('text/event-stream')) await response.arrayBuffer();
    expect(status, what).toBeLessThan(500);
    return status;
  }
  expect(type, what).toBe('application/problem+json');
  const problem = (await response.json()) as Json;
  const code = String(problem.code);
  expect(problem, what).toMatchObject({ status, type: `urn:millrace:problem:${code}` });
  if (status >= 500) expect(UNMET, `${what} ${JSON.stringify(problem)}`).toContain(code);
  if (method === operation.method && !NO_OPERATION.has(code)) {
    expect([...operation.codes], `${what} documents ${code}: ${String(problem.detail)}`).toContain(code);
  }
  return status;
}

it('answers anything with what is documented', { timeout: 600_000 }, async () => {
  console.info(`PROPERTY_SEED=${propertySeed}, ${REQUESTS} requests`);
  const found: string[] = [];
  let batch: readonly Sent[] = [];
  const unhandled = (error: unknown): void => void found.push(`unhandled: ${String(error)}`);
  process.on('unhandledRejection', unhandled);
  const reached = new Map<string, Set<string>>();
  const before = liveBytes();
  const requests = requestsOf(openApi, ids);
  for (let done = 0; done < REQUESTS; done++) {
    if (done % BATCH === 0) batch = fc.sample(requests, { numRuns: BATCH, seed: propertySeed + done });
    const sent = batch[done % BATCH];
    if (sent === undefined) break;
    try {
      const status = await check(sent);
      const kind = status < 400 ? 'good' : 'bad';
      reached.set(sent.operation.id, (reached.get(sent.operation.id) ?? new Set()).add(kind));
    } catch (error) {
      if (found.length < 60) found.push(String((error as Error).message).slice(0, 700));
    }
  }
  process.off('unhandledRejection', unhandled);
  batch = [];
  expect(found).toEqual([]);
  expect(reached.size).toBe(openApi.operations.length);
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  expect(liveBytes() - before).toBeLessThan(MAX_GROWTH_BYTES);
});
