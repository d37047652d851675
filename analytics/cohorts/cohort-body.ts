import { splitBySegment } from '../filters/index.ts';
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

interface Row {
  readonly count: CohortCount;
  readonly cells: readonly Cell[];
}

const percent = (part: number, of: number): number => Math.round((1_000 * part) / of) / 10;

/** The table: a row a cohort, and the means over those whose period is over. */
export function retentionBody(
  parts: readonly (readonly CohortCount[])[],
  rules: CohortRules,
  query: RetentionQuery,
  custom: readonly string[],
  watermark_ms: number | null,
): Readonly<Record<string, unknown>> {
  const { cohorts, group_by, bucket, period, periods, isFirstTime } = rules;
  const all = joinCounts(parts);
  const counts = joinCounts([splitBySegment(all, group_by, custom)]);
  const withCells = (count: CohortCount): Row => ({ count, cells: cellsOf(count, rules, watermark_ms) });
  const rows = counts.map(withCells);
  const whole = all.map(withCells);
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
    size: all.reduce((sum, { size }) => sum + size, 0),
    means: Array.from({ length: periods }, (_, at) => meansOf(at, whole, rows)),
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

/**
 * `weighted`: all who came back ÷ all members, once each; `simple`: the mean of the rates of the cohorts that are
 * shown. Of complete cells only.
 */
function meansOf(
  period: number,
  whole: readonly Row[],
  shown: readonly Row[],
): Readonly<Record<string, unknown>> {
  const complete = (rows: readonly Row[]) =>
    rows.flatMap(({ count, cells }) => {
      const { returned = null, incomplete } = cells[period] ?? {};
      return returned === null || incomplete === true ? [] : [{ size: count.size, returned }];
    });
  const [members, cohorts] = [complete(whole), complete(shown)];
  const size = members.reduce((sum, own) => sum + own.size, 0);
  const returned = members.reduce((sum, own) => sum + own.returned, 0);
  const rates = cohorts.reduce((sum, own) => sum + own.returned / own.size, 0);
  return {
    ...{ period, cohorts: cohorts.length },
    weighted: size === 0 ? null : percent(returned, size),
    simple: cohorts.length === 0 ? null : percent(rates, cohorts.length),
  };
}
