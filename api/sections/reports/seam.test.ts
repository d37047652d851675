import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SeededRandom } from '../../../engine/index.ts';
import { PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

const SEEDS = process.env.TEST_LONG === '1' ? Array.from({ length: 40 }, (_, at) => at + 1) : [1, 2];
const RUNS = 7;
const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 7, 20);

let test: TestApi;
let analyst: string;
beforeEach(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '100000', RATE_LIMIT_BURST: '100000' });
  analyst = await test.key('analyst');
});
afterEach(() => test.close());

const send = async (path: string, json?: unknown, key = analyst): Promise<Json> => {
  const response = await test.send(path, { key, ...(json === undefined ? {} : { json }) });
  const body = (await response.json()) as Json;
  expect([response.status < 300, body]).toEqual([true, body]);
  return body;
};

async function rowsOf(job_id: unknown): Promise<{ readonly job: Json; readonly rows: readonly Json[] }> {
  const job = await vi.waitFor(async () => {
    const found = await send(`/exports/${String(job_id)}`);
    if (found.status !== 'succeeded') throw new Error(`the export is ${JSON.stringify(found)}`);
    return found;
  }, PATIENTLY);
  const text = await (await test.send(String(job.download_url))).text();
  const rows = text.split('\n').filter((line) => line !== '');
  return { job, rows: rows.map((line) => JSON.parse(line) as Json) };
}

const METRICS = ['orders_count', 'revenue_gross', 'refund_amount', 'revenue_net', 'aov', 'customers_new'];
const QUERY = {
  ...{ metrics: METRICS, group_by: ['country', 'channel'], granularity: '1d' },
  ...{ start: new Date(START_MS).toISOString(), timezone: 'Europe/Berlin' },
};

/** Orders, edits of old ones, refunds; most of them late. */
class Shop {
  readonly #random: SeededRandom;
  #count = 0;
  #orders = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#random.int(0, values.length - 1)] as T;
  }

  event(now_ms: number): Json {
    const random = this.#random;
    const event_id = `e${this.#count++}`;
    const time = new Date(random.int(START_MS - 2 * DAY_MS, now_ms)).toISOString();
    const where = { country: this.#pick(['DE', 'FR', null]), channel: this.#pick(['web', 'shop']) };
    const money = { currency: this.#pick(['EUR', 'EUR', 'JPY']), amount: random.int(1, 9_999) };
    const kind = this.#orders < 3 ? 0 : random.int(0, 3);
    if (kind === 3) {
      const order_id = `o${random.int(1, this.#orders)}`;
      return { event_id, type: 'refund.issued', time, order_id, ...money };
    }
    if (kind === 2) {
      const order_id = `o${random.int(1, this.#orders)}`;
      return { event_id, type: 'order.updated', time: new Date(now_ms).toISOString(), order_id, ...where };
    }
    const order_id = `o${++this.#orders}`;
    return {
      event_id,
      type: 'order.created',
      time,
      order_id,
      customer_id: `c${random.int(1, 20)}`,
      ...where,
      ...money,
    };
  }
}

const KEY = ['country', 'channel', 'time', 'currency'];
const keyOf = (row: Json): string => JSON.stringify(KEY.map((name) => row[name]));
const isNothing = (row: Json): boolean => METRICS.every((name) => row[name] === null || row[name] === 0);

it.each(SEEDS)(
  'files merged by their keys are the numbers of the API, with seed %i',
  { timeout: 120_000 },
  async (seed) => {
    const shop = new Shop(seed);
    const ingest = await test.key('ingest');
    const report = await send('/reports', {
      ...{ name: `seam-${seed}`, query: QUERY, schedule: '0 6 1 1 *', format: 'ndjson', seam: true },
    });
    const merged = new Map<string, Json>();
    let rows_written = 0;
    let last: Json | undefined;
    for (let run = 0; run < RUNS; run++) {
      const count = run === 4 ? 0 : 25;
      const events = Array.from({ length: count }, () => shop.event(test.clock.now()));
      if (count > 0) await send('/ingest', events, ingest);
      await test.apply();
      test.clock.advance(DAY_MS / 3);
      const made = await send(`/reports/${String(report.id)}/run`, {});
      const { job, rows } = await rowsOf(made.job_id);
      const { seam } = job.result as { seam: { from: unknown; to: unknown } };
      expect(seam.from).toEqual(last ?? null);
      last = seam.to as Json;
      for (const row of rows) merged.set(keyOf(row), row);
      rows_written += rows.length;
      const end = new Date(Math.ceil((test.clock.now() + 1) / 60_000) * 60_000).toISOString();
      const whole = await rowsOf(
        (await send('/exports', { query: { ...QUERY, end, limit: 1_000 }, type: 'kpis' })).job_id,
      );
      const wanted = new Map(whole.rows.map((row) => [keyOf(row), row]));
      for (const [key, row] of merged) {
        const { as_of, ...values } = row;
        expect(typeof as_of).toBe('number');
        if (!wanted.has(key)) expect(isNothing(values)).toBe(true);
        else expect(values).toEqual(wanted.get(key));
      }
      expect([...wanted.keys()].filter((key) => !merged.has(key))).toEqual([]);
      // Far fewer rows than whole answers: most of what was said stands.
      if (run === 4) expect(rows.length).toBeLessThan(whole.rows.length / 2);
    }
    expect(rows_written).toBeGreaterThan(0);
  },
);

it('a seam begins anew when its definition changes, and refuses what has no seam', async () => {
  await send('/ingest', [new Shop(1).event(test.clock.now())], await test.key('ingest'));
  await test.apply();
  const body = { query: QUERY, schedule: '0 6 1 1 *', format: 'ndjson', seam: true };
  const report = await send('/reports', { name: 'seam', ...body });
  const run = async (): Promise<unknown> => {
    test.clock.advance(1_000);
    const { job } = await rowsOf((await send(`/reports/${String(report.id)}/run`, {})).job_id);
    return (job.result as { seam: { from: unknown } }).seam.from;
  };
  expect(await run()).toBeNull();
  expect(await run()).not.toBeNull();
  const patch = { query: { ...QUERY, group_by: ['country'] } };
  const changed = await test.send(`/reports/${String(report.id)}`, {
    key: analyst,
    method: 'PATCH',
    json: patch,
  });
  expect(changed.status).toBe(200);
  expect(await run()).toBeNull();
  for (const wrong of [
    { ...body, range: 'last_7d' },
    { ...body, query: { ...QUERY, end: '2025-09-01T00:00:00Z' } },
    { ...body, type: 'events', query: {} },
  ]) {
    const refused = await test.send('/reports', { key: analyst, json: { name: 'wrong', ...wrong } });
    expect(refused.status).toBe(422);
  }
});
