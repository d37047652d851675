import { type CohortRules, periodState } from '../cohorts/index.ts';
import { splitBySegment } from '../filters/index.ts';
import { QueryError } from '../query/index.ts';
import type { CohortValue } from './ltv-rows.ts';

const MAX_COHORTS = 10_000;

/** Adds the cohorts of parts of a query, which have different customers. By cohort, then by values. */
function joined(parts: readonly (readonly CohortValue[])[]): CohortValue[] {
  const all = new Map<string, CohortValue>();
  for (const value of parts.flat()) {
    const key = JSON.stringify([value.cohort, value.values]);
    const known = all.get(key);
    if (known === undefined) {
      all.set(key, { ...value, revenue: [...value.revenue] });
      continue;
    }
    known.size += value.size;
    for (const [at, revenue] of value.revenue.entries()) (known.revenue[at] as number) += revenue;
  }
  if (all.size > MAX_COHORTS) {
    const message = `There are more than ${MAX_COHORTS} cohorts. Ask with fewer dimensions, or a coarser bucket.`;
    throw new QueryError('too_many_groups', message, [{ path: 'group_by', message }]);
  }
  const name = ({ values }: CohortValue): string => JSON.stringify(values);
  return [...all.values()].sort((a, b) => a.cohort - b.cohort || (name(a) < name(b) ? -1 : 1));
}

/** The answer's members: a row a cohort, cumulative net revenue by age, for each customer of the cohort. */
export function historicalBody(
  parts: readonly (readonly CohortValue[])[],
  rules: CohortRules,
  custom: readonly string[],
  watermark_ms: number | null,
): Readonly<Record<string, unknown>> {
  const { cohorts, group_by, bucket, period, periods } = rules;
  const all = joined(parts);
  const values = joined([splitBySegment(all, group_by, custom)]);
  return {
    ...{ model: 'historical', bucket, period, periods },
    alignment: rules.calendar === undefined ? 'rolling' : 'calendar',
    customers_total: all.reduce((sum, { size }) => sum + size, 0),
    cohorts: values.map((value) => ({
      cohort: bucket === 'none' ? null : cohorts.zone.format(cohorts.starts_ms[value.cohort] as number),
      ...(group_by.length === 0
        ? {}
        : { key: Object.fromEntries(group_by.map((name, at) => [name, value.values[at] || null])) }),
      size: value.size,
      ages: agesOf(value, rules, watermark_ms),
    })),
  };
}

function agesOf(
  { cohort, size, revenue }: CohortValue,
  rules: CohortRules,
  watermark_ms: number | null,
): Readonly<Record<string, unknown>>[] {
  let cumulative = 0;
  return revenue.map((own, age) => {
    cumulative += own;
    const state = periodState(rules, cohort, age, watermark_ms);
    // What has not begun is unknown, not 0.
    if (state === 'ahead' && own === 0) return { age, revenue: null, cumulative: null, ltv: null };
    return {
      ...{ age, revenue: own, cumulative, ltv: Math.round(cumulative / size) },
      ...(state === 'complete' ? {} : { incomplete: true }),
    };
  });
}
