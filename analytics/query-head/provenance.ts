import { createHash } from 'node:crypto';
import { normalType } from '../events/index.ts';
import { formatUtc, MAX_RANGE_MS, MIN_RANGE_MS } from '../query/index.ts';
import type { StreamPosition } from './query-id.ts';

/** The events that say what an order is, which is what the newest version says, whenever that came. */
const VERSIONS = ['order.created', 'order.updated'].map(normalType);
/** Types of events that have nothing from an order. */
const ALONE: ReadonlySet<string> = new Set(
  ['visit', 'product_viewed', 'add_to_cart', 'ticket.opened', 'ticket.first_response'].map(normalType),
);

/** The events that an answer is made of. */
export interface EventsBehind {
  /** undefined: of every type. Versions of orders go with what may be of one. */
  readonly types: readonly string[] | undefined;
  /** Half-open range of event time, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** Of these the earliest counts: one before the range takes the place of one in it. */
  readonly firsts?: readonly string[];
}

/** Members of a query that change when or how it is answered, and not what it asks. */
const HOW: ReadonlySet<string> = new Set([
  ...['as_of', 'max_staleness', 'force_fresh', 'min_position', 'explain', 'dry_run', 'limit', 'offset'],
]);
const EVENTS_A_PAGE = 1_000;

/**
 * What `explain` says of where the numbers come from: the position, a hash of what was asked (SHA-256 of its JSON
 * without the members that say how), and the searches that list the events behind them, as they were at the position:
 * `events` those of the range, `events_outside` those that decide what these count for.
 */
export function provenanceOf(
  query: object,
  position: StreamPosition,
  { types, start_ms, end_ms, firsts = [] }: EventsBehind,
): Readonly<Record<string, unknown>> {
  const asked = Object.entries(query)
    .filter(([name]) => !HOW.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const from = formatUtc(Math.max(start_ms, MIN_RANGE_MS));
  const to = formatUtc(Math.min(end_ms, MAX_RANGE_MS));
  const isAllTime = start_ms <= MIN_RANGE_MS && end_ms >= MAX_RANGE_MS;
  const versions = types?.every((type) => ALONE.has(normalType(type))) === true ? [] : VERSIONS;
  const outside = [...firsts, ...versions];
  const within = { field: 'time', range: { gte: from, lt: to } };
  return {
    position,
    definition_hash: createHash('sha256').update(JSON.stringify(asked)).digest('hex'),
    events: search(position, {
      ...(types === undefined ? {} : { query: ofTypes([...types, ...versions]) }),
      ...{ from, to },
    }),
    ...(isAllTime || outside.length === 0
      ? {}
      : { events_outside: search(position, { query: { and: [ofTypes(outside), { not: within }] } }) }),
  };
}

const ofTypes = (types: readonly string[]): object => ({
  field: 'type',
  in: [...new Set(types.map(normalType))].sort(),
});

function search(position: StreamPosition, members: object): object {
  const body = { ...members, as_of: position, limit: EVENTS_A_PAGE };
  return { method: 'POST', path: '/events/search', body };
}
