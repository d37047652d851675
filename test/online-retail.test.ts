import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { packageRoot, type RunningApp, startApp } from '../examples/online-retail/app.ts';
import { type Prepared, prepare, publish } from '../examples/online-retail/publish.ts';
import {
  askKpis,
  type KpiBody,
  type KpiReply,
  monthsOf,
  totalNet,
} from '../examples/online-retail/report.ts';
import { itLong } from './it-long.ts';
import { isLong } from './long.ts';
import { type SqlCell, type SqlFacts, sqlFacts } from './online-retail-sql.ts';

const SAMPLE = join(packageRoot(), 'examples', 'online-retail', 'sample.csv.gz');
const WHOLE = join(packageRoot(), '..', 'shared', 'data', 'online-retail', 'online_retail.csv.gz');
const hasWhole = existsSync(WHOLE);
if (!hasWhole) process.stderr.write(`SKIPPED: the test of the whole UCI file needs ${WHOLE}\n`);

const IN_CUBES = ['revenue_net', 'revenue_gross', 'refund_amount', 'orders_count', 'units_sold'] as const;
/** Distinct customers are in no cube. */
const METRICS = [...IN_CUBES, 'customers_active'] as const;
type Metrics = readonly (typeof METRICS)[number][];

const query = (
  { first, last }: Prepared,
  metrics: readonly string[],
  group_by: readonly string[],
): KpiBody => ({
  metrics,
  ...monthsOf(first, last),
  granularity: '1M',
  group_by,
  limit: 1_000,
  force_fresh: true,
});

/** The answer's cells in the form of the SQL's, without those where nothing happened. */
function cellsOf(reply: KpiReply, metrics: Metrics): Map<string, unknown> {
  const cells = reply.groups.flatMap(({ key, buckets }) =>
    buckets.map(
      (bucket): Cell => ({
        ...bucket,
        month: bucket.time.slice(0, 7),
        country: key.country ?? null,
      }),
    ),
  );
  return byPlace(cells, metrics);
}

type Cell = Pick<SqlCell, 'month' | 'country'> & { readonly [M in Metrics[number]]?: unknown };

/** Stock movements alone make a cell in SQL, and none of the engine's. */
function byPlace(cells: readonly Cell[], metrics: Metrics): Map<string, unknown> {
  const named = cells
    .filter((cell) => metrics.some((metric) => cell[metric] !== 0))
    .map((cell) => {
      const values = Object.fromEntries(metrics.map((metric) => [metric, cell[metric]]));
      return [`${cell.month} ${cell.country ?? '(all)'}`, values] as const;
    });
  return new Map(named.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const isOfAll = ({ country }: SqlCell): boolean => country === null;
const isOfOne = ({ country }: SqlCell): boolean => country !== null;

/** Through cubes, and as of the last position, which is through a scan of the log. */
async function expectEqual(app: RunningApp, file: Prepared, sql: SqlFacts): Promise<void> {
  const { meta } = await askKpis(app, query(file, IN_CUBES, []));
  await expectAnswers(app, file, sql, { metrics: IN_CUBES, source: (cube) => `rollup:${cube}@1d` });
  await expectAnswers(app, file, sql, { metrics: METRICS, source: () => 'scan', as_of: meta.position });
}

interface Through extends Pick<KpiBody, 'as_of'> {
  readonly metrics: Metrics;
  readonly source: (cube: string) => string;
}

async function expectAnswers(
  app: RunningApp,
  file: Prepared,
  sql: SqlFacts,
  { metrics, source, ...how }: Through,
): Promise<void> {
  const ask = (what: readonly string[], by: readonly string[]): Promise<KpiReply> =>
    askKpis(app, { ...query(file, what, by), ...how });
  const byCountry = await ask(metrics, ['country']);
  expect(byCountry.meta.source).toBe(source('country'));
  expect(cellsOf(byCountry, metrics)).toEqual(byPlace(sql.cells.filter(isOfOne), metrics));
  expect(totalNet(byCountry)).toBe(sql.total);
  expect(byCountry.currency).toBe('GBP');

  const overall = await ask([...metrics, 'customers_new'], []);
  expect(overall.meta.source).toBe(source('total'));
  expect(cellsOf(overall, metrics)).toEqual(byPlace(sql.cells.filter(isOfAll), metrics));
  const customers = overall.groups[0]?.buckets.map(({ time, customers_new }) => [
    time.slice(0, 7),
    customers_new,
  ]);
  expect(new Map(customers as [string, number][])).toEqual(
    new Map([...sql.newCustomers].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );

  const bySku = await ask(['revenue_gross'], ['sku']);
  expect(bySku.meta.source).toBe(source('sku'));
  expect(bySku.groups).toHaveLength(1_000);
  for (const { key, totals } of bySku.groups) {
    expect([key.sku, totals.revenue_gross]).toEqual([key.sku, sql.skus.get(key.sku ?? '')]);
  }
}

/** The same order on every run: the place of a message is a hash of its number. */
function shuffled<T>(list: readonly T[]): T[] {
  const place = (index: number): number => Math.imul(index + 1, 0x9e3779b1) >>> 0;
  return list
    .map((item, index) => ({ item, index }))
    .toSorted((a, b) => place(a.index) - place(b.index))
    .map(({ item }) => item);
}

async function withApp(run: (app: RunningApp) => Promise<void>): Promise<void> {
  const app = await startApp();
  try {
    await run(app);
  } finally {
    await app.stop();
  }
  expect(existsSync(app.dataDir)).toBe(false);
}

// Each answer of this test has a cube.
beforeAll(() => void vi.stubEnv('CUBES', 'sku'));
afterAll(() => void vi.unstubAllEnvs());

describe('Online Retail through NATS, the process and the API', () => {
  it('equals SQL over the sample, and still does when it is published again, shuffled', async () => {
    const [file, sql] = await Promise.all([prepare(SAMPLE), sqlFacts(SAMPLE)]);
    expect([file.lines, file.net]).toEqual([sql.lines, sql.total]);
    await withApp(async (app) => {
      await publish(app.nats, file.messages);
      await expectEqual(app, file, sql);
      await publish(app.nats, shuffled(file.messages));
      const { meta } = await askKpis(app, query(file, METRICS, ['country']));
      expect(meta.position).toMatchObject({ EVENTS: { '0': 2 * file.messages.length } });
      await expectEqual(app, file, sql);
    });
  }, 300_000);

  itLong(
    'equals SQL over the sample that comes shuffled, and once more in its order',
    async () => {
      const [file, sql] = await Promise.all([prepare(SAMPLE), sqlFacts(SAMPLE)]);
      await withApp(async (app) => {
        await publish(app.nats, shuffled(file.messages));
        await expectEqual(app, file, sql);
        await publish(app.nats, file.messages);
        await expectEqual(app, file, sql);
      });
    },
    300_000,
  );

  it.skipIf(!hasWhole || !isLong)(
    `equals SQL over the whole UCI file, to the penny${hasWhole ? '' : ` (skipped: there is no ${WHOLE})`}`,
    async () => {
      const [file, sql] = await Promise.all([prepare(WHOLE), sqlFacts(WHOLE)]);
      expect([file.lines, sql.lines]).toEqual([541_909, 541_909]);
      // 9,747,747.934 pounds, as it is published with the data.
      expect([file.net, sql.total]).toEqual([974_774_793, 974_774_793]);
      await withApp(async (app) => {
        await publish(app.nats, file.messages);
        await expectEqual(app, file, sql);
        await publish(app.nats, shuffled(file.messages));
        await expectEqual(app, file, sql);
      });
    },
    300_000,
  );
});
