import type { TableQuery } from './interactive.ts';
import type { Position } from './source.ts';

/** Rows that one query may ask for, at most. */
export const MAX_QUERY_ROWS = 10_000;

/** The members of each kind that must be strings, and those that may be there. */
const TEXTS: Readonly<Record<TableQuery['kind'], { must: readonly string[]; may: readonly string[] }>> = {
  key: { must: ['key'], may: [] },
  range: { must: [], may: ['from', 'to'] },
  prefix: { must: ['prefix'], may: [] },
  window: { must: ['key'], may: [] },
  windows: { must: [], may: [] },
};
/** Whether there are such queries. */
export function isKind(kind: string): boolean {
  return Object.hasOwn(TEXTS, kind);
}

/** Exclusive: the end of what a stored time holds. */
const TIME_END_MS = 2 ** 48;

/** What of a query of a known kind makes no sense: it may have come over a network, whatever its type says. */
export function wrongIn(query: TableQuery): string | undefined {
  const members: Readonly<Record<string, unknown>> = { ...query };
  const { must, may } = TEXTS[query.kind];
  const isText = (name: string): boolean => typeof members[name] === 'string';
  const odd = must.find((name) => !isText(name)) ?? may.find((name) => name in members && !isText(name));
  if (odd !== undefined) return `"${odd}" must be a string.`;
  if (query.kind === 'key') return undefined;
  const { limit = query.kind === 'window' ? MAX_QUERY_ROWS : Number.NaN } = query;
  if (!(Number.isInteger(limit) && limit >= 1 && limit <= MAX_QUERY_ROWS)) {
    return `The limit must be 1 to ${MAX_QUERY_ROWS} rows.`;
  }
  if (query.kind === 'windows') {
    const { start_ms, end_ms, from } = query;
    const isKey = from === undefined || (isObject(from) && typeof from.key === 'string');
    if (!isKey) return '"from" must be a window: a key with its start and end.';
    return timesIn([start_ms, end_ms, ...(from === undefined ? [] : [from.start_ms, from.end_ms])]);
  }
  if (query.kind !== 'window') return undefined;
  return timesIn([query.start_ms, query.end_ms, query.first_end_ms === undefined ? 0 : query.first_end_ms]);
}

function timesIn(times: readonly number[]): string | undefined {
  const isTime = (time_ms: number): boolean =>
    Number.isInteger(time_ms) && time_ms >= 0 && time_ms < TIME_END_MS;
  return times.every(isTime) ? undefined : 'Window bounds are whole ms since 1970.';
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export function isPosition(bound: unknown): bound is Position {
  return (
    isObject(bound) &&
    Object.values(bound).every(
      (partitions) => isObject(partitions) && Object.values(partitions).every((it) => Number.isInteger(it)),
    )
  );
}
