import { createHash } from 'node:crypto';
import { normalType } from '../events/index.ts';
import { formatUtc, MAX_RANGE_MS, MIN_RANGE_MS } from '../query/index.ts';
import type { StreamPosition } from './query-id.ts';

/** The events that an answer is made of. */
export interface EventsBehind {
  readonly types: readonly string[];
  /** Half-open range of event time, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Members of a query that change when or how it is answered, and not what it asks. */
const HOW: ReadonlySet<string> = new Set([
  ...['as_of', 'max_staleness', 'force_fresh', 'min_position', 'explain', 'dry_run', 'limit', 'offset'],
]);

/**
 * What `explain` says of where the numbers come from: the position, a hash of what was asked (SHA-256 of its JSON
 * without the members that say how), and the search that lists the events behind them, as they were at the position.
 */
export function provenanceOf(
  query: object,
  position: StreamPosition,
  { types, start_ms, end_ms }: EventsBehind,
): Readonly<Record<string, unknown>> {
  const asked = Object.entries(query)
    .filter(([name]) => !HOW.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const names = [...new Set(types.map(normalType))].sort();
  const [from, to] = [Math.max(start_ms, MIN_RANGE_MS), Math.min(end_ms, MAX_RANGE_MS)];
  return {
    position,
    definition_hash: createHash('sha256').update(JSON.stringify(asked)).digest('hex'),
    events: {
      ...{ method: 'POST', path: '/events/search' },
      body: {
        query: { field: 'type', in: names },
        ...{ from: formatUtc(from), to: formatUtc(to), as_of: position, limit: 1_000 },
      },
    },
  };
}
