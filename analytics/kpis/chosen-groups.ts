import { invariant, OTHER_TEXT } from '../../engine/index.ts';
import { QueryError } from '../query/index.ts';
import type { Evaluator, MetricValue } from './evaluate.ts';
import type { Group, Grouping } from './groups.ts';
import type { Prepared } from './prepare.ts';
import type { KpiQuery } from './schema.ts';

/** A group of the answer, with what it was in the range that is compared with. */
export interface ChosenGroup {
  readonly group: Group;
  readonly before: Group;
  /** How many groups were put into it, where it is the rest. */
  readonly others?: number;
}

const idOf = ({ key }: Group): string => JSON.stringify(Object.values(key));
const emptyOf = ({ key }: Group): Group => ({ key, whole: [], money: [] });

/** The groups of both ranges; one that a range does not have is empty there. */
export function joinGroups(
  groups: readonly Group[],
  before: readonly Group[] = [],
): readonly Omit<ChosenGroup, 'others'>[] {
  const byId = new Map(before.map((group) => [idOf(group), group]));
  const joined = groups.map((group) => ({ group, before: byId.get(idOf(group)) ?? emptyOf(group) }));
  const known = new Set(groups.map(idOf));
  const gone = before.filter((group) => !known.has(idOf(group)));
  return [...joined, ...gone.map((group) => ({ group: emptyOf(group), before: group }))];
}

/** The first groups by the metric that orders them, null last, ties by key; and the rest as one where asked for. */
export function chosenGroups(
  all: readonly Omit<ChosenGroup, 'others'>[],
  { limit, order_by, other }: KpiQuery,
  evaluator: Evaluator,
  { asked, slots }: Prepared,
): readonly ChosenGroup[] {
  if (all.length < 2) return all;
  const metric = asked.find(({ name }) => name === order_by?.metric) ?? asked[0];
  invariant(metric !== undefined, 'a query has a metric');
  const sign = order_by?.direction === 'asc' ? -1 : 1;
  const sorted = all
    .map((chosen) => ({
      chosen,
      by: evaluator.value(metric, chosen.group, 0, slots.buckets.length),
      key: idOf(chosen.group),
    }))
    .sort((a, b) => descending(a.by, b.by, sign) || (a.key < b.key ? -1 : 1))
    .map(({ chosen }) => chosen);
  const rest = sorted.slice(limit);
  if (other !== true || rest.length === 0) return sorted.slice(0, limit);
  return [...sorted.slice(0, limit), restOf(rest)];
}

/** Sums, ratios and numbers of different ids of the rest are those of all its series together. */
function restOf(rest: readonly ChosenGroup[]): ChosenGroup {
  const key = Object.fromEntries(Object.keys(rest[0]?.group.key ?? {}).map((name) => [name, OTHER_TEXT]));
  const joined = (groups: readonly Group[]): Group => ({
    key,
    whole: groups.flatMap(({ whole }) => whole),
    money: groups.flatMap(({ money }) => money),
  });
  return {
    group: joined(rest.map(({ group }) => group)),
    before: joined(rest.map(({ before }) => before)),
    others: rest.length,
  };
}

function descending(a: MetricValue, b: MetricValue, sign: 1 | -1): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return a > b ? -sign : a < b ? sign : 0;
}

/** Throws QueryError `currency_required` where money of several currencies would be compared or put together. */
export function requireOneCurrency(
  { query, monetary, target }: Prepared,
  { units }: Grouping,
  before: Grouping | undefined,
): void {
  if (!monetary || target !== undefined) return;
  const { compare, other, group_by } = query;
  const isCompared = compare !== undefined && !group_by.includes('currency');
  if (!isCompared && other !== true) return;
  const all = [...new Set([...units, ...(before?.units ?? [])])].sort();
  if (all.length < 2) return;
  const names = all.map((name) => (name === '' ? 'none' : name)).join(' and ');
  const path = isCompared ? 'compare' : 'other';
  const message = `The money is in several currencies (${names}): with \`${path}\`, ask for a \`currency\` to convert it to, or filter by one.`;
  throw new QueryError('currency_required', message, [{ path, message }]);
}
