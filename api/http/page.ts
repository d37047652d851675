import type { Cursors } from './cursor.ts';
import { ApiError } from './problem.ts';

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly page?: number | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

/**
 * One page of a list in a fixed order. A cursor remembers the last entry by its sort key, so entries
 * that come or go between two pages neither repeat nor hide others.
 */
export function pageOf<T>(
  cursors: Cursors,
  entries: readonly T[],
  sortKey: (entry: T) => readonly [number, string],
  filter: unknown,
  { limit, cursor, page }: PageQuery,
): Page<T> {
  if (cursor !== undefined && page !== undefined) {
    const message = 'cannot be given with `cursor`';
    throw new ApiError('validation_failed', `\`page\` ${message}.`, { errors: [{ path: 'page', message }] });
  }
  const after = cursor === undefined ? undefined : (cursors.decode(filter, cursor) as [number, string]);
  const start =
    after === undefined
      ? ((page ?? 1) - 1) * limit
      : entries.findIndex((entry) => compare(sortKey(entry), after) > 0);
  const items = start < 0 ? [] : entries.slice(start, start + limit);
  const last = items.at(-1);
  const more = last !== undefined && start + items.length < entries.length;
  return { items, next_cursor: more ? cursors.encode(filter, sortKey(last)) : null };
}

function compare([a, aId]: readonly [number, string], [b, bId]: readonly [number, string]): number {
  return a - b || (aId < bId ? -1 : aId > bId ? 1 : 0);
}
