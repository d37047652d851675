import type { Position } from '../edges/index.ts';
import type { FailedAnswer, TableQuery } from '../query/index.ts';
import type { AnsweredPart, FailedPart, PartFailure, PartRole, PartRow, RowPlace } from './part.ts';

/** A partition that is not in an answer, and why. */
export interface MissingPart {
  readonly partition: string;
  readonly reason: PartFailure | 'no_holder' | 'no_answer';
  readonly message: string;
}

/** What an answer has of one partition. */
export interface UsedPart {
  readonly partition: string;
  readonly role: PartRole;
  readonly epoch: number | null;
  readonly position: Position;
  readonly watermark_ms: number | null;
}

/** A row, and the partition that it is of. */
export interface GatheredRow extends PartRow {
  readonly partition: string;
}

/** The answer of all partitions of a table, and what it lacks. */
export interface GatheredAnswer {
  readonly ok: true;
  /** In the order of the query; rows of one key in the order of their partitions. */
  readonly rows: readonly GatheredRow[];
  /** The limit was reached and rows are missing: where to go on, as the same query to one state says it. */
  readonly next: RowPlace | undefined;
  /** In the order of their numbers. */
  readonly parts: readonly UsedPart[];
  /** Partitions whose rows are not in the answer; empty: it is complete. */
  readonly missing: readonly MissingPart[];
  /** The least of the partitions'; null where one has none yet, or none answered. */
  readonly watermark_ms: number | null;
}

/** The query itself makes no sense, whichever partition is asked. */
export interface RefusedQuery {
  readonly ok: false;
  readonly reason: FailedAnswer['reason'];
  readonly message: string;
}

/** Of these no other copy knows better. */
const FINAL: ReadonlySet<PartFailure> = new Set(['bad_query', 'unknown_query', 'wrong_codec']);

/** Whether another copy of the partition, or the same one later, may answer. */
export function mayPass({ reason }: FailedPart): boolean {
  return !FINAL.has(reason);
}

/** A number where it is one: partition 10 comes behind partition 9. */
export function byPartition(a: { readonly partition: string }, b: { readonly partition: string }): number {
  return Number(a.partition) - Number(b.partition) || (a.partition < b.partition ? -1 : 1);
}

/**
 * Puts the answers of partitions together: the same bytes in whatever order they came. Each partition gives its rows in
 * order up to its limit, so what lies before the first place where one of them has more is complete.
 */
export function mergeParts(
  query: TableQuery,
  parts: readonly AnsweredPart[],
  missing: readonly MissingPart[],
): GatheredAnswer {
  const isReverse = query.kind !== 'key' && query.reverse === true;
  const compare = isReverse ? (a: RowPlace, b: RowPlace) => comparePlaces(b, a) : comparePlaces;
  const ordered = [...parts].sort(byPartition);
  const cut = ordered.flatMap(({ next }) => (next === undefined ? [] : [next])).sort(compare)[0];
  // In reverse a partition's `next` is the last row that it gave, so that one is complete.
  const isWhole = (row: RowPlace): boolean =>
    cut === undefined || (isReverse ? compare(row, cut) <= 0 : compare(row, cut) < 0);
  const rows = ordered
    .flatMap(({ partition, rows: of }) => of.map((row): GatheredRow => ({ ...row, partition })))
    .filter(isWhole)
    .sort((a, b) => compare(a, b) || byPartition(a, b));
  const limited = upTo(rows, limitOf(query), isReverse, compare);
  return {
    ok: true,
    rows: limited.rows,
    next: limited.next ?? placeOf(cut),
    parts: ordered.map(({ partition, role, epoch, position, watermark_ms }) => ({
      ...{ partition, role, epoch, position, watermark_ms },
    })),
    missing: [...missing].sort(byPartition),
    watermark_ms: leastWatermark(ordered),
  };
}

function limitOf(query: TableQuery): number {
  return query.kind === 'key' ? Number.POSITIVE_INFINITY : (query.limit ?? Number.POSITIVE_INFINITY);
}

/** Rows of one place stay together: a page that ends among them would give some twice, or never. */
function upTo(
  rows: readonly GatheredRow[],
  limit: number,
  isReverse: boolean,
  compare: (a: RowPlace, b: RowPlace) => number,
): { readonly rows: readonly GatheredRow[]; readonly next: RowPlace | undefined } {
  const over = rows[limit];
  if (over === undefined) return { rows, next: undefined };
  let end = limit;
  while (end > 0 && compare(rows[end - 1] as GatheredRow, over) === 0) end--;
  // The first place alone has more than the limit: all of it.
  if (end === 0) while (end < rows.length && compare(rows[end] as GatheredRow, over) === 0) end++;
  const next = isReverse ? rows[end - 1] : rows[end];
  return { rows: rows.slice(0, end), next: end === rows.length ? undefined : placeOf(next) };
}

function placeOf(row: RowPlace | undefined): RowPlace | undefined {
  if (row === undefined) return undefined;
  const { key, start_ms, end_ms } = row;
  return {
    key,
    ...(start_ms === undefined ? {} : { start_ms }),
    ...(end_ms === undefined ? {} : { end_ms }),
  };
}

/** By the UTF-8 bytes of the key, then by start and end, as rows lie in a state. */
function comparePlaces(a: RowPlace, b: RowPlace): number {
  const keys = a.key === b.key ? 0 : Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
  return keys || (a.start_ms ?? 0) - (b.start_ms ?? 0) || (a.end_ms ?? 0) - (b.end_ms ?? 0);
}

function leastWatermark(parts: readonly AnsweredPart[]): number | null {
  let least = Number.POSITIVE_INFINITY;
  for (const { watermark_ms } of parts) least = Math.min(least, watermark_ms ?? Number.NEGATIVE_INFINITY);
  return Number.isFinite(least) ? least : null;
}

/** The query that goes on where an answer ended. */
export function continued(query: TableQuery, { key, start_ms = 0, end_ms = 0 }: RowPlace): TableQuery {
  if (query.kind === 'key') return query;
  const isReverse = query.reverse === true;
  if (query.kind === 'window') {
    return isReverse
      ? { ...query, end_ms: start_ms, before_end_ms: end_ms }
      : { ...query, start_ms, first_end_ms: end_ms };
  }
  const at = query.kind === 'windows' ? { key, start_ms, end_ms } : key;
  return { ...query, [isReverse ? 'to' : 'from']: at } as TableQuery;
}
