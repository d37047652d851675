import { isDeepStrictEqual } from 'node:util';
import {
  DEFAULT_ROW_CUBES,
  OPERATORS,
  type OrderQueries,
  orderQueries,
  queryKinds,
} from '../../analytics/index.ts';
import {
  KindRegistry,
  type KvReader,
  logScopes,
  QueryExecutor,
  type QueryLimits,
  systemClock,
} from '../../engine/index.ts';

const DAY_MS = 86_400_000;
/** Sums of rows: what rollups hold. */
const SUMS = [
  ...['orders_count', 'orders_paid', 'orders_shipped', 'orders_delivered', 'orders_cancelled', 'orders_rto'],
  ...['revenue_gross', 'revenue_paid', 'refund_amount', 'discount_total', 'shipping_total', 'tax_total'],
  ...['revenue_cancelled', 'returns_count', 'visits', 'sessions', 'units_sold', 'customers_new'],
];
const MAX_GROUPS = 1_000;
/** Nothing is too large for a check that somebody waits for. */
const UNLIMITED: QueryLimits = {
  rows_max: Number.POSITIVE_INFINITY,
  bytes_max: Number.POSITIVE_INFINITY,
  cells_max: Number.POSITIVE_INFINITY,
  partial_bytes_max: Number.POSITIVE_INFINITY,
};
const DEADLINE_MS = 86_400_000;
type Totals = readonly { readonly key: unknown; readonly totals: unknown }[];

/**
 * Asks for the sums of all days of each tenant twice, from the rollups and from the rows of the event log, and says
 * where the two are not the same. Both are made of the same events, by different operators.
 */
export async function totalsProblems(
  reader: KvReader,
  custom: readonly string[],
): Promise<readonly string[]> {
  const executor = new QueryExecutor({
    reader,
    kinds: new KindRegistry(queryKinds({ custom })),
    clock: systemClock,
    limits: UNLIMITED,
  });
  const { kpis } = orderQueries({ custom });
  const scopes = reader.snapshot((table) => logScopes(table(`${OPERATORS.log}/segments`)));
  const problems: string[] = [];
  try {
    for (const { scope, firstDay, days } of scopes) {
      const kept = days.map(({ day }) => day).filter((day) => day >= firstDay);
      if (kept.length === 0) continue;
      const [first, last] = [Math.min(...kept), Math.max(...kept)];
      for (const { dimensions } of DEFAULT_ROW_CUBES.filter(({ bucket_ms }) => bucket_ms === DAY_MS)) {
        const different = await isDifferent(executor, kpis, scope, { first, last, group_by: dimensions });
        if (!different) continue;
        const by = dimensions.length === 0 ? '' : ` by ${dimensions.join(' and ')}`;
        problems.push(`Tenant "${scope}": the rollups${by} do not add up to the rows of the event log.`);
      }
    }
    return problems;
  } finally {
    await executor.close();
  }
}

interface Asked {
  /** UTC days, both inclusive. */
  readonly first: number;
  readonly last: number;
  readonly group_by: readonly string[];
}

async function isDifferent(
  executor: QueryExecutor,
  kpis: OrderQueries['kpis'],
  scope: string,
  { first, last, group_by }: Asked,
): Promise<boolean> {
  const [start, end] = [first, last + 1].map((day) => new Date(day * DAY_MS).toISOString());
  const body = { metrics: SUMS, start, end, timezone: 'UTC', group_by, limit: MAX_GROUPS };
  const options = { scope, deadline_ms: DEADLINE_MS };
  const rollup = await executor.run(kpis, kpis.schema.parse(body), options);
  const { progress } = rollup;
  if (progress === undefined) return false;
  // What is asked for as it was at a position is added up from rows.
  const as_of = { [progress.stream]: { [progress.partition]: progress.sequence } };
  const scan = await executor.run(kpis, kpis.schema.parse({ ...body, as_of }), options);
  return !isDeepStrictEqual(totalsOf(rollup.answer.groups), totalsOf(scan.answer.groups));
}

function totalsOf(groups: Totals): Totals {
  return groups.map(({ key, totals }) => ({ key, totals }));
}
