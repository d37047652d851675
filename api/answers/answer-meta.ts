import { z } from 'zod';
import { formatUtc, type KpiQuery, readCompleteUntil } from '../../analytics/index.ts';
import { type KvView, META_TABLE, type Progress, readProgress } from '../../engine/index.ts';
import { durationOf } from '../../runtime/index.ts';
import {
  ApiError,
  type ApiPorts,
  awaitFreshness,
  EVENTS_STREAM,
  type FieldError,
  type Freshness,
  type FreshnessTracker,
  type FreshnessWish,
  INCARNATION_MEMBER,
  PARTITION,
  positionOf,
  positionSchema,
  requireFreshness,
  requireReader,
} from '../http/index.ts';
import type { Tenants } from '../tenants/index.ts';
import type { SegmentSets } from './segment-sets.ts';

/** How fresh and how complete an answer is, and what it was made from. */
export const metaSchema = z.object({
  generation: z.int(),
  position: positionSchema,
  watermark: z.string().nullable().describe('Event time up to which events are expected to be in'),
  complete_until: z
    .string()
    .nullable()
    .describe('What of the range lies before this can change only by late events'),
  staleness_ms: z
    .int()
    .nullable()
    .describe('The answer holds everything that was in the stream this long ago; null: nobody knows'),
  lag_messages: z
    .int()
    .nullable()
    .describe('Messages in the stream that are not in the answer; null: nobody knows'),
  late_events: z
    .int()
    .describe('Events of the tenant that came after the watermark had passed them; all are counted'),
  source: z.string().describe('What was read, e.g. `rollup:country@15m`'),
  approximate: z.array(z.string()).describe('Which values are estimates, with their error'),
  resolved_range: z.object({ start: z.string(), end: z.string() }).describe('Half-open'),
  timezone: z.string(),
  granularity: z.string(),
  warnings: z.array(z.string()),
  catching_up: z
    .number()
    .optional()
    .describe('The state is being built from what the stream has: the share that is applied, 0 to 1'),
  backfilling: z
    .number()
    .optional()
    .describe('A definition that would answer this faster is being built: the share that is done, 0 to 1'),
});

export type Meta = z.infer<typeof metaSchema>;

/** What an answer has to say of the committed state that it was made from. */
export interface AnswerState {
  /** Sentences about what the query names. */
  readonly warnings?: readonly string[];
  readonly generation: number;
  readonly progress: Progress | undefined;
  readonly freshness: Freshness;
  /** The tenant's own; null before its first event. */
  readonly watermark_ms: number | null;
}

/** One committed state, to be read. */
export interface Snapshot extends AnswerState {
  readonly table: (name: string) => KvView;
}

export interface AnswerParts {
  readonly ports: ApiPorts;
  readonly tracker: FreshnessTracker;
  /** What tenants have defined for their queries; without it none has. */
  readonly tenants?: Pick<Tenants, 'defaultsOf' | 'dimensions' | 'maskedOf' | 'metricsOf' | 'segments'>;
  /** Customers of segments that were found before; without it none are kept. */
  readonly segmentSets?: SegmentSets;
}

/**
 * Waits as the caller wishes, then does all reading of one answer in one snapshot, so that its numbers
 * and its `meta` are of one commit. 503 when the state is not as fresh as asked.
 */
export async function readFresh<T>(
  { ports, tracker }: AnswerParts,
  tenant: string,
  wish: FreshnessWish,
  read: (snapshot: Snapshot) => T,
): Promise<T> {
  await awaitFreshness(ports, tracker, wish);
  const { generation, reader } = requireReader(ports);
  return reader.snapshot((table) => {
    const progress = readProgress(table(META_TABLE));
    const freshness = tracker.of(progress);
    requireFreshness(freshness, wish.max_staleness_ms);
    const watermark_ms = readCompleteUntil(table, tenant);
    return read({ table, generation, progress, freshness, watermark_ms });
  });
}

/** What `meta` says of the answer itself. */
export interface AnswerHeader {
  /** What was read, e.g. `rollup:country@1d+scan`. */
  readonly source: string;
  readonly resolved_range: { readonly start: string; readonly end: string };
  readonly timezone: string;
  readonly granularity: string;
  readonly approximate?: readonly string[];
  readonly warnings?: readonly string[];
  readonly backfilling?: number;
}

/** `meta` of an answer that covers `header`'s range. */
export function metaOf(
  { generation, progress, freshness, watermark_ms, warnings = [] }: AnswerState,
  tenant: string,
  header: AnswerHeader,
): Meta {
  const { source, resolved_range, timezone, granularity } = header;
  const end_ms = Date.parse(resolved_range.end);
  return {
    generation,
    position: positionOf(freshness.sequence, progress?.incarnation),
    watermark: watermark_ms === null ? null : formatUtc(watermark_ms),
    complete_until: watermark_ms === null ? null : formatUtc(Math.min(watermark_ms, end_ms)),
    staleness_ms: freshness.staleness_ms === null ? null : Math.round(freshness.staleness_ms),
    lag_messages: freshness.lag_messages,
    late_events: progress?.notices[tenant]?.late ?? 0,
    source,
    approximate: [...(header.approximate ?? [])],
    resolved_range,
    timezone,
    granularity,
    warnings: [...(header.warnings ?? []), ...warnings, ...freshnessWarnings(freshness)],
    ...(freshness.catching_up === undefined ? {} : { catching_up: freshness.catching_up }),
    ...(header.backfilling === undefined ? {} : { backfilling: header.backfilling }),
  };
}

/** What there is to say of an answer that may miss what the stream has. */
function freshnessWarnings({ doubt, catching_up }: Freshness): string[] {
  const warnings = doubt === undefined ? [] : [`${doubt.code}: ${doubt.message}`];
  if (catching_up !== undefined) {
    warnings.push(
      `catching_up: the state is being built from the stream, ${Math.floor(100 * catching_up)} % of it is applied; ` +
        'what is not is missing here.',
    );
  }
  return warnings;
}

export type FreshnessMembers = Pick<KpiQuery, 'max_staleness' | 'force_fresh' | 'min_position'>;

/** What a query's members ask of the state; 422 for positions of streams that there are not. */
export function wishOf(query: FreshnessMembers): FreshnessWish {
  const { max_staleness, force_fresh, min_position } = query;
  const max_staleness_ms = max_staleness === undefined ? undefined : durationOf(max_staleness);
  const min_sequence = min_position === undefined ? undefined : sequenceOf(min_position, 'min_position');
  const min_incarnation = min_position?.[EVENTS_STREAM]?.[INCARNATION_MEMBER];
  return {
    force_fresh: force_fresh === true,
    ...(max_staleness_ms === undefined ? {} : { max_staleness_ms }),
    ...(min_sequence === undefined ? {} : { min_sequence }),
    ...(min_incarnation === undefined ? {} : { min_incarnation }),
  };
}

/** The sequence of a position in the one stream and partition; 422 `position_unknown` for others. */
export function sequenceOf(position: NonNullable<KpiQuery['min_position']>, member: string): number {
  const errors: FieldError[] = [];
  let sequence = 0;
  for (const [stream, partitions] of Object.entries(position)) {
    for (const [partition, value] of Object.entries(partitions)) {
      if (stream === EVENTS_STREAM && partition === INCARNATION_MEMBER) continue;
      if (stream === EVENTS_STREAM && partition === PARTITION) sequence = value;
      else {
        const message = `there is only partition "${PARTITION}" of stream "${EVENTS_STREAM}"`;
        errors.push({ path: `${member}.${stream}.${partition}`, message });
      }
    }
  }
  if (errors.length > 0) {
    throw new ApiError('position_unknown', `${member}: ${errors[0]?.message}.`, { errors });
  }
  return sequence;
}
