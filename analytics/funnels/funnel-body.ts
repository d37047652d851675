import { SKETCH_RELATIVE_ERROR } from '../../operators/index.ts';
import type { GroupKey } from '../kpis/index.ts';
import { MAX_POINTS, type TimeBuckets, tooManyPoints } from '../query/index.ts';
import { addGroup, type GroupCounts, groupCounts, type StepCounts, stepCounts } from './funnel-counts.ts';
import type { FunnelQuery } from './funnel-schema.ts';

const OTHER = '__other__';

/** What counts are shown with. */
interface Shown {
  readonly query: FunnelQuery;
  /** Of the trend. */
  readonly buckets: TimeBuckets | undefined;
  readonly window_ms: number;
  readonly watermark_ms: number | null;
}

/** Percent with one decimal; null of nothing. */
const percent = (part: number, of: number): number | null =>
  of === 0 ? null : Math.round((1_000 * part) / of) / 10;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The names of the steps, as they are shown. */
export function stepNames({ steps }: Pick<FunnelQuery, 'steps'>): string[] {
  return steps.map(({ name, event }) => name ?? event);
}

/** All groups as one. */
export function totalOf(groups: readonly GroupCounts[], steps: number): GroupCounts {
  const [only] = groups;
  if (only !== undefined && groups.length === 1) return only;
  const total = groupCounts('', steps);
  for (const group of groups) addGroup(total, group);
  return total;
}

/** The members of the answer; `total` is of all groups. */
export function funnelBody(
  groups: readonly GroupCounts[],
  total: GroupCounts,
  shown: Shown,
): Readonly<Record<string, unknown>> {
  const { funnel, order, entry, ties, window, entity, group_by } = shown.query;
  return {
    ...(funnel === undefined ? {} : { funnel_id: funnel.id, name: funnel.name }),
    ...{ order, entry, ties, window, entity },
    ...countsBody(total, shown),
    ...(group_by.length === 0 ? {} : groupsBody(groups, shown)),
  };
}

/** Where percentiles are estimates. */
export function approximateTimes({ times }: GroupCounts): string[] {
  const isExact = times.every(({ isExact: own }) => own);
  return isExact ? [] : [`times between steps: within ${100 * SKETCH_RELATIVE_ERROR} % (DDSketch)`];
}

function groupsBody(groups: readonly GroupCounts[], shown: Shown): Readonly<Record<string, unknown>> {
  const { group_by, limit, steps, attribution } = shown.query;
  const entered = ({ furthest }: GroupCounts): number => sum(furthest);
  const known = groups
    .filter(({ key }) => key !== '')
    .sort((a, b) => entered(b) - entered(a) || (a.key < b.key ? -1 : 1));
  const answered = known.slice(0, limit);
  if (shown.buckets !== undefined && answered.length * shown.buckets.length > MAX_POINTS)
    throw tooManyPoints(shown.buckets.length, answered.length);
  const others = groupCounts(JSON.stringify(group_by.map(() => OTHER)), steps.length);
  for (const group of known.slice(limit)) addGroup(others, group);
  const none = groups.find(({ key }) => key === '');
  return {
    ...{ group_by, attribution },
    groups: [...answered, ...(known.length > limit ? [others] : [])].map((group) => ({
      key: keyOf(group, group_by),
      ...countsBody(group, shown),
    })),
    groups_total: known.length,
    // They did not come to the step whose value makes the group.
    ungrouped: none === undefined ? 0 : entered(none),
  };
}

function keyOf({ key }: GroupCounts, group_by: readonly string[]): GroupKey {
  const values = JSON.parse(key) as readonly string[];
  return Object.fromEntries(group_by.map((name, at) => [name, values[at] || null]));
}

/** How many reached each step: who reached one reached those before it. */
function reachedOf({ furthest }: StepCounts): number[] {
  const reached = furthest.slice();
  for (let step = reached.length - 2; step >= 0; step--)
    (reached[step] as number) += reached[step + 1] as number;
  return reached;
}

function countsBody(counts: GroupCounts, shown: Shown): Readonly<Record<string, unknown>> {
  const names = stepNames(shown.query);
  const reached = reachedOf(counts);
  const { furthest, in_progress, times } = counts;
  const last = names.length - 1;
  const open = (step: number): number => (step === last ? 0 : (in_progress[step] as number));
  const dropped = (step: number): number => (step === last ? 0 : (furthest[step] as number) - open(step));
  const [entered = 0] = reached;
  const steps = names.map((name, step) => ({
    ...{ name, event: shown.query.steps[step]?.event, count: reached[step] as number },
    ...(step === 0
      ? {}
      : { conversion_from_prev: percent(reached[step] as number, reached[step - 1] as number) }),
    conversion_from_first: percent(reached[step] as number, entered),
    ...{ in_progress: open(step), dropped: dropped(step) },
  }));
  const between = names.slice(1).map((to, at) => ({ from: names[at], to, at: at + 1 }));
  return {
    ...{ entered, converted: reached[last], in_progress: sum(in_progress) },
    dropped: sum(names.map((_, step) => dropped(step))),
    conversion: percent(reached[last] as number, entered),
    steps,
    dropoffs: between.map(({ from, to, at }) => ({
      ...{ from, to, count: (reached[at - 1] as number) - (reached[at] as number) },
      ...{ in_progress: open(at - 1), dropped: dropped(at - 1) },
    })),
    time_to_convert_histogram: times[0]?.percentiles(),
    time_between_steps: between.map(({ from, to, at }) => ({ from, to, ...times[at]?.percentiles() })),
    ...(shown.buckets === undefined ? {} : { trend: trendOf(counts, shown.buckets, shown) }),
  };
}

function trendOf({ buckets: counts }: GroupCounts, buckets: TimeBuckets, shown: Shown): readonly object[] {
  const { watermark_ms, window_ms, query } = shown;
  return buckets.starts_ms.map((start_ms, bucket) => {
    const own = counts.get(bucket) ?? stepCounts(query.steps.length);
    const reached = reachedOf(own);
    const ends_ms = (buckets.edges_ms[bucket + 1] as number) - 1 + window_ms;
    const [entered = 0, converted = 0] = [reached[0], reached.at(-1)];
    return {
      ...{ time: buckets.zone.format(start_ms), entered, converted, conversion: percent(converted, entered) },
      ...{ counts: reached, in_progress: sum(own.in_progress) },
      // Until the window of its last entry is over it may still change by itself.
      complete: watermark_ms !== null && ends_ms <= watermark_ms,
    };
  });
}
