import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot, type RunningApp, startApp } from '../examples/online-retail/app.ts';
import { type Prepared, prepare, publish } from '../examples/online-retail/publish.ts';
import {
  askKpis,
  type KpiBody,
  type KpiReply,
  monthsOf,
  totalNet,
} from '../examples/online-retail/report.ts';
import { type SqlCell, type SqlFacts, sqlFacts } from './online-retail-sql.ts';

const SAMPLE = join(packageRoot(), 'examples', 'online-retail', 'sample.csv.gz');
const WHOLE = join(packageRoot(), '..', 'shared', 'data', 'online-retail', 'online_retail.csv.gz');
const hasWhole = existsSync(WHOLE);
if (!hasWhole) process.stderr.write(`SKIPPED: the test of the whole UCI file needs ${WHOLE}\n`);

const METRICS = [
  'revenue_net',
  'revenue_gross',
  'refund_amount',
  'orders_count',
  'units_sold',
  'customers_active',
] as const;

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
function cellsOf(reply: KpiReply): Map<string, unknown> {
  const cells = reply.groups.flatMap(({ key, buckets }) =>
    buckets.map((bucket): SqlCell => {
      const values = Object.fromEntries(METRICS.map((metric) => [metric, bucket[metric]]));
      return { month: bucket.time.slice(0, 7), country: key.country ?? null, ...values } as SqlCell;
    }),
  );
  return byPlace(cells.filter((cell) => METRICS.some((metric) => cell[metric] !== 0)));
}

/** Stock movements alone make a cell in SQL, and none of the engine's. */
function byPlace(cells: readonly SqlCell[]): Map<string, unknown> {
  const named = cells
    .filter((cell) => METRICS.some((metric) => cell[metric] !== 0))
    .map((cell) => [`${cell.month} ${cell.country ?? '(all)'}`, cell] as const);
  return new Map(named.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function expectEqual(app: RunningApp, file: Prepared, sql: SqlFacts): Promise<void> {
  const byCountry = await askKpis(app, query(file, METRICS, ['country']));
  expect(cellsOf(byCountry)).toEqual(byPlace(sql.cells.filter(({ country }) => country !== null)));
  expect(totalNet(byCountry)).toBe(sql.total);
  expect(byCountry.currency).toBe('GBP');

  const overall = await askKpis(app, query(file, [...METRICS, 'customers_new'], []));
  expect(cellsOf(overall)).toEqual(byPlace(sql.cells.filter(({ country }) => country === null)));
  const customers = overall.groups[0]?.buckets.map(({ time, customers_new }) => [
    time.slice(0, 7),
    customers_new,
  ]);
  expect(new Map(customers as [string, number][])).toEqual(
    new Map([...sql.newCustomers].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );

  const bySku = await askKpis(app, query(file, ['revenue_gross'], ['sku']));
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

describe('Online Retail through NATS, the process and the API', () => {
  it('equals SQL over the sample, and still does when it is published again, shuffled', async () => {
    const [file, sql] = await Promise.all([prepare(SAMPLE), sqlFacts(SAMPLE)]);
    expect([file.lines, file.net]).toEqual([sql.lines, sql.total]);
    await withApp(async (app) => {
      await publish(app.natsUrl, file.messages);
      await expectEqual(app, file, sql);
      const before = await askKpis(app, query(file, METRICS, ['country']));
      await publish(app.natsUrl, shuffled(file.messages));
      const after = await askKpis(app, query(file, METRICS, ['country']));
      expect(after.meta.position).toEqual({ EVENTS: { '0': 2 * file.messages.length } });
      expect(after.groups).toEqual(before.groups);
    });
  }, 300_000);

  it.skipIf(!hasWhole)(
    `equals SQL over the whole UCI file, to the penny${hasWhole ? '' : ` (skipped: there is no ${WHOLE})`}`,
    async () => {
      const [file, sql] = await Promise.all([prepare(WHOLE), sqlFacts(WHOLE)]);
      expect([file.lines, sql.lines]).toEqual([541_909, 541_909]);
      // 9,747,747.934 pounds, as it is published with the data.
      expect([file.net, sql.total]).toEqual([974_774_793, 974_774_793]);
      await withApp(async (app) => {
        await publish(app.natsUrl, file.messages);
        await expectEqual(app, file, sql);
      });
    },
    300_000,
  );
});
