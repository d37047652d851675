import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { orderQueries, QUERY_KINDS_MODULE, queryKinds } from '../analytics/index.ts';
import { writeShopLog } from '../bench/scan-load.ts';
import { END_MS, SCOPE, START_MS } from '../bench/scan-rows.ts';
import {
  DEFAULT_QUERY_LIMITS,
  KindRegistry,
  type KvReader,
  openLmdbReader,
  QueryExecutor,
  type QueryLimits,
  systemClock,
} from '../engine/index.ts';
import { sizes } from './long.ts';
import { Scratch } from './scratch.ts';

const EVENTS = sizes.query_events;
const SETTINGS = { custom: [] };
const { kpis } = orderQueries(SETTINGS);
const scope = SCOPE;
const PATIENTLY = { timeout: 30_000, interval: 1 };

/** Each row of the year is looked at; no rollup has any of it. */
const query = kpis.schema.parse({
  metrics: ['customers_active', 'revenue', 'visits'],
  group_by: ['campaign', 'country'],
  start: new Date(START_MS).toISOString(),
  end: new Date(END_MS).toISOString(),
  granularity: '1M',
});

describe('a query of a year of events, in the scan threads', () => {
  const scratch = new Scratch();
  let path: string;
  let reader: KvReader;
  let executor: QueryExecutor;

  beforeAll(async () => {
    path = await scratch.dir('large-query');
    await writeShopLog(path, EVENTS, EVENTS / 50);
    reader = openLmdbReader(path);
  }, 180_000);
  afterAll(async () => {
    await reader.close();
    await scratch.clean();
  });
  beforeEach(() => {
    executor = executorOf();
  });
  afterEach(() => executor.close());

  function executorOf(limits: QueryLimits = DEFAULT_QUERY_LIMITS): QueryExecutor {
    const kinds = new KindRegistry(queryKinds(SETTINGS));
    const pool = { path, reader: {}, modules: [QUERY_KINDS_MODULE], config: SETTINGS, threads: 2 };
    return new QueryExecutor({ reader, kinds, clock: systemClock, pool, limits });
  }

  const metric = (name: string): number =>
    executor
      .samples()
      .filter((sample) => sample.name === `millrace.query.${name}`)
      .reduce((total, { value }) => total + value, 0);

  it('stops in all threads when its client leaves, and the next one is answered by the same threads', async () => {
    const whole = await executor.run(kpis, query, { scope });
    expect(whole).toMatchObject({ ran: 'split', plan: { rows: EVENTS, source: 'scan' } });
    const threads = metric('threads');
    for (let round = 0; round < 10; round++) {
      const left = new AbortController();
      const running = executor.run(kpis, query, { scope, signal: left.signal });
      await vi.waitFor(() => expect(metric('threads_busy')).toBeGreaterThan(0), PATIENTLY);
      left.abort();
      await expect(running).rejects.toMatchObject({ code: 'query_cancelled' });
      await vi.waitFor(() => expect(metric('threads_busy')).toBe(0), PATIENTLY);
    }
    // None had to be ended: each saw its flag.
    expect(metric('threads')).toBe(threads);
    expect((await executor.run(kpis, query, { scope })).answer.groups).toEqual(whole.answer.groups);
  });

  it('is refused before anything runs when its plan is over a limit, and says what to narrow', async () => {
    await executor.close();
    for (const [limit, of] of [
      ['rows_max', 'rows'],
      ['bytes_max', 'bytes'],
    ] as const) {
      executor = executorOf({ ...DEFAULT_QUERY_LIMITS, [limit]: EVENTS - 1 });
      const refused = executor.run(kpis, query, { scope });
      await expect(refused).rejects.toMatchObject({
        code: 'query_too_large',
        details: { of, rows: EVENTS, narrow: [expect.stringContaining('start'), expect.anything()] },
      });
      expect((await executor.plan(kpis, query, { scope })).refused).toMatchObject({
        code: 'query_too_large',
      });
      expect([metric('threads'), metric('busy_ms')]).toEqual([0, 0]);
      await executor.close();
    }
    executor = executorOf();
  });
});
