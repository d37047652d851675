import { type CohortCount, joinCounts } from './cohort-counts.ts';
import { type CohortRules, periodState } from './cohort-rules.ts';
import type { RetentionQuery } from './cohort-schema.ts';

/** A period of a cohort, or of all. */
interface Cell {
  readonly period: number;
  readonly returned: number | null;
  /** Percent of the size. */
  readonly retention: number | null;
  readonly incomplete?: true;
}

const percent = (part: number, of: number): number => Math.round((1_000 * part) / of) / 10;

/** The table: a row a cohort, and the means over those whose period is over. */
export function retentionBody(
  parts: readonly (readonly CohortCount[])[],
  rules: CohortRules,
  query: RetentionQuery,
  watermark_ms: number | null,
): Readonly<Record<string, unknown>> {
  const counts = joinCounts(parts);
  const { cohorts, group_by, bucket, period, periods, isFirstTime } = rules;
  const rows = counts.map((count) => ({ count, cells: cellsOf(count, rules, watermark_ms) }));
  return {
    ...(query.cohort === undefined ? {} : { cohort_id: query.cohort.id, name: query.cohort.name }),
    ...{ bucket, period, periods, alignment: query.alignment, retention: query.retention },
    mode: isFirstTime ? 'first_time' : 'recurring',
    cohorts: rows.map(({ count, cells }) => ({
      cohort: bucket === 'none' ? null : cohorts.zone.format(cohorts.starts_ms[count.cohort] as number),
      ...(group_by.length === 0
        ? {}
        : { key: Object.fromEntries(group_by.map((name, at) => [name, count.values[at] || null])) }),
      size: count.size,
      periods: cells,
    })),
    size: counts.reduce((sum, { size }) => sum + size, 0),
    means: Array.from({ length: periods }, (_, at) => meansOf(at, rows)),
  };
}

function cellsOf(count: CohortCount, rules: CohortRules, watermark_ms: number | null): Cell[] {
  return count.returned.map((returned, period) => {
    const state = periodState(rules, count.cohort, period, watermark_ms);
    // What has not begun is unknown, not 0.
    if (state === 'ahead' && returned === 0) return { period, returned: null, retention: null };
    return {
      ...{ period, returned, retention: percent(returned, count.size) },
      ...(state === 'complete' ? {} : { incomplete: true as const }),
    };
  });
}

/** `weighted`: all who came back ÷ all members; `simple`: the mean of the cohorts' rates. Of complete cells only. */
function meansOf(
  period: number,
  rows: readonly { readonly count: CohortCount; readonly cells: readonly Cell[] }[],
): Readonly<Record<string, unknown>> {
  let [size, returned, rates, cohorts] = [0, 0, 0, 0];
  for (const { count, cells } of rows) {
    const cell = cells[period];
    if (cell === undefined || cell.returned === null || cell.incomplete === true) continue;
    size += count.size;
    returned += cell.returned;
    rates += cell.returned / count.size;
    cohorts++;
  }
  return {
    ...{ period, cohorts },
    weighted: size === 0 ? null : percent(returned, size),
    simple: cohorts === 0 ? null : percent(rates, cohorts),
  };
}
