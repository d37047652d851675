import { OwnMetrics } from '../../../analytics/index.ts';
import type { AnswerTable, Cell, Column } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { answerTable, kpiRows } from '../../tables/index.ts';
import type { ResolvedQuery } from '../queries/index.ts';

type Json = Readonly<Record<string, unknown>>;

/** Rows of a widget's table; the answer itself has all. */
const MAX_ROWS = 1_000;

interface Bucket extends Json {
  readonly time: string;
}

interface Group {
  readonly key: Readonly<Record<string, string | null>>;
  readonly buckets: readonly Bucket[];
  readonly totals: Json;
  readonly previous_totals?: Json;
  readonly delta_pct?: Json;
}

/** What a client draws: lines over time, single values, and a table. */
export interface WidgetView {
  readonly series?: readonly object[];
  readonly values?: readonly object[];
  readonly table?: {
    readonly columns: readonly Column[];
    readonly rows: readonly (readonly unknown[])[];
    readonly truncated: boolean;
  };
}

/** An answer in the forms that charts take. `tenant` has the metrics of its own. */
export function widgetView(
  { tenants }: Pick<AnswerParts, 'tenants'>,
  tenant: string,
  { type, body, route }: ResolvedQuery,
  answer: Json,
): WidgetView {
  if (type === 'events') return {};
  const table = (of: AnswerTable): WidgetView => ({ table: tableView(of) });
  if (type !== 'kpis') return table(answerTable(type, answer, namesOf(body.group_by)));
  const query = route.body?.parse(body) as Parameters<typeof kpiRows>[0];
  const groups = answer.groups as readonly Group[];
  const currency = typeof answer.currency === 'string' ? answer.currency : undefined;
  const own = tenants?.metricsOf(tenant, query.metrics) ?? [];
  const asked = { groups, currency } as unknown as Parameters<typeof kpiRows>[1];
  return {
    series: groups.flatMap(({ key, buckets }) =>
      query.metrics.map((metric) => ({
        ...{ metric, key, ...(currency === undefined ? {} : { currency }) },
        points: buckets.map((bucket) => [bucket.time, bucket[metric] ?? null]),
        incomplete_from: buckets.find(({ incomplete }) => incomplete === true)?.time ?? null,
      })),
    ),
    values: groups.flatMap(({ key, totals, previous_totals, delta_pct }) =>
      query.metrics.map((metric) => ({
        ...{ metric, key, ...(currency === undefined ? {} : { currency }) },
        value: totals[metric] ?? null,
        ...(previous_totals === undefined ? {} : { previous: previous_totals[metric] ?? null }),
        ...(delta_pct === undefined ? {} : { delta_pct: delta_pct[metric] ?? null }),
      })),
    ),
    table: tableView(kpiRows(query, asked, new OwnMetrics(own))),
  };
}

function namesOf(groupBy: unknown): readonly string[] {
  return Array.isArray(groupBy) ? groupBy.filter((name): name is string => typeof name === 'string') : [];
}

function tableView({ columns, rows }: AnswerTable): NonNullable<WidgetView['table']> {
  const found: (readonly unknown[])[] = [];
  let truncated = false;
  for (const row of rows) {
    truncated = found.length >= MAX_ROWS;
    if (truncated) break;
    found.push(row.map(plain));
  }
  return { columns, rows: found, truncated };
}

function plain(cell: Cell): unknown {
  if (cell === null || typeof cell !== 'object') return cell;
  return 'number' in cell ? Number(cell.number) : JSON.parse(cell.json);
}
