import type { QueryContext } from '../../engine/index.ts';
import { formatUtc, parseRange, type TimeRange, type Zone, zoneOf } from '../query/index.ts';
import { type AnswerPosition, answerPosition } from './as-of.ts';
import type { QueryHead } from './head-schema.ts';
import { queryIdOf } from './query-id.ts';

/** What an answer depends on besides the query and the state. Plain data. */
export interface QuerySettings {
  /** Declared custom dimensions, in the order of their columns. */
  readonly custom: readonly string[];
  /** The tenant's IANA zone; UTC where there is none. */
  readonly timezone?: string;
  /** First day of a week: 1 (Monday, the default) to 7 (Sunday). */
  readonly weekStart?: number;
  /** Month with which quarters and years begin: 1 (January, the default) to 12. */
  readonly fiscalMonth?: number;
  /** How far the watermark is behind the newest event, ms; 30 s where nothing is said. */
  readonly outOfOrderness_ms?: number;
}

/** What a tenant has set for its queries. Plain data; put into a query by the service, never by a client. */
export interface TenantDefaults extends Omit<QuerySettings, 'custom'> {
  /** The currency that money is converted to where a query names none. */
  readonly currency?: string;
}

/** The settings of a query: what its tenant has set goes before what the process has. */
export function settingsOf<S extends QuerySettings>(query: object, settings: S): S {
  return { ...settings, ...(query as { readonly tenant?: TenantDefaults }).tenant };
}

/** What `meta` says of an answer beside the state. Plain data. */
export interface RangeHeader {
  readonly resolved_range: { readonly start: string; readonly end: string };
  readonly timezone: string;
  readonly granularity: string;
}

/** The head of a query, resolved. */
export interface PreparedHead extends AnswerPosition {
  readonly range: TimeRange;
  readonly zone: Zone;
  readonly header: RangeHeader;
  /** Of the answer: names it for `as_of`. */
  readonly query_id: string;
}

/**
 * Throws QueryError (422): `invalid_range`, `range_not_aligned`, `unknown_timezone`, `position_unknown`,
 * `position_ahead`, `unknown_query_id`.
 */
export function prepareHead(
  query: QueryHead,
  settings: QuerySettings,
  { progress, now_ms }: Pick<QueryContext, 'progress' | 'now_ms'>,
  granularity = 'total',
): PreparedHead {
  const range = parseRange(query.start, query.end);
  const zone = zoneOf(query.timezone ?? settingsOf(query, settings).timezone ?? 'UTC');
  const at = answerPosition(query, progress);
  return {
    ...at,
    range,
    zone,
    header: {
      resolved_range: { start: formatUtc(range.start_ms), end: formatUtc(range.end_ms) },
      timezone: zone.id,
      granularity,
    },
    query_id: queryIdOf(at.position, JSON.stringify([now_ms, query])),
  };
}
