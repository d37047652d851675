import { controlKey, type Plan, type PlanPart, type QueryContext } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import type { KeptInfo, KeptView } from '../kept-events/index.ts';
import { parseRange } from '../query/index.ts';
import { askedSegments } from '../query-head/index.ts';
import type { FunnelShared } from './funnel-scan.ts';
import type { FunnelQuery } from './funnel-schema.ts';
import { FUNNEL_DEFINITION, keptFunnelOf } from './kept-funnel.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

/** What is kept of stored funnels, in a snapshot. */
export type OpenKept = (context: QueryContext) => KeptView;

/** What a part of a plan reads: entities of a scan, or all that are kept of a stored funnel. Plain data. */
export type FunnelWork = EntityWork | KeptWork;

export interface KeptWork {
  readonly kept: KeptInfo;
  /** Events before it are no longer kept, or are not asked for. */
  readonly from_ms: number;
  /** What its attempts mean, where these are read in place of its entities. */
  readonly attempts?: string;
}

interface KeptParts {
  readonly context: QueryContext;
  readonly kept: KeptView;
  readonly custom: readonly string[];
}

/** Why a query is answered by a scan. */
interface NotKept {
  readonly why: string;
  /** It is being built for this range: the share of the log that is read. */
  readonly backfilling?: number;
}

/** CPU of a record that is looked at, measured beside scans on the machine of their estimates. */
const RECORD_NS = 36;
/** Likewise of a byte of its events; where each event becomes an object, it is more. */
const BYTE_NS = { plain: 2, object: 42 } as const;
/** Bytes of an event that is kept, about. */
const EVENT_BYTES = 8;
/** Likewise of an attempt, with its durations and their percentiles. */
const ATTEMPT_NS = 25;
/** What is read in a moment is read, whatever a scan would take. */
const ALWAYS_MAX_MS = 2;
/** So many parts of a scan run at once; what is kept is read in one thread. */
const SCAN_THREADS = 2;

const LIMITS = {
  entity_max_events: 'an entity has more events than are kept of one',
  definition_max_bytes: 'there are more events than are kept of one funnel',
} as const;

/** The plan of a scan, or where all of the answer is kept, that of reading it. */
export function planKept(
  scan: Plan<FunnelShared, EntityWork>,
  query: FunnelQuery,
  parts: KeptParts,
): Plan<FunnelShared, FunnelWork> {
  const [first] = scan.parts;
  // Without a row in the range there is nothing to be read either way.
  const from_ms = first?.work.plan.request.start_ms ?? Number.POSITIVE_INFINITY;
  const found = keptOf(query, from_ms, parts);
  if ('why' in found) return scanned(scan, found);
  const read = { kept: found, from_ms };
  const scan_ms = scan.cost_ms / Math.max(1, Math.min(scan.parts.length, SCAN_THREADS));
  const most_ms = Math.max(ALWAYS_MAX_MS, scan_ms);
  const { attempts } = keptFunnelOf(query, parts.custom);
  const view = parts.kept.attempts(found, attempts.meaning);
  if (view !== undefined) {
    const { end_ms } = parseRange(query.start, query.end);
    const rows = view.countIn(from_ms, end_ms);
    const cost_ms = (rows * ATTEMPT_NS) / 1e6;
    if (cost_ms <= most_ms)
      return incremental(scan, { ...read, attempts: attempts.meaning }, { attempts: rows, cost_ms });
  }
  const { recordCount: cells, stored_bytes: bytes } = parts.kept.open(found);
  // Every entity is looked at, and of the events those in the range.
  const read_bytes = Math.min(bytes, scan.rows * EVENT_BYTES);
  const byte_ns = OrderedAttempts.takes(query, query.hold_constant) ? BYTE_NS.plain : BYTE_NS.object;
  const cost_ms = (cells * RECORD_NS + read_bytes * byte_ns) / 1e6;
  if (cost_ms > most_ms) return scanned(scan, { why: 'a scan of this range takes less' });
  return incremental(scan, read, { records: cells, cost_ms, bytes });
}

/** What is read of what is kept: attempts, or records of entities. */
interface KeptSize {
  readonly cost_ms: number;
  readonly attempts?: number;
  readonly records?: number;
  readonly bytes?: number;
}

function incremental(
  scan: Plan<FunnelShared, EntityWork>,
  work: KeptWork,
  { cost_ms, bytes = 0, ...read }: KeptSize,
): Plan<FunnelShared, FunnelWork> {
  const { way: _, why: __, ...explain } = scan.explain;
  // It reads what the next commit changes, so it is one part, in the snapshot of the plan.
  const part: PlanPart<KeptWork> = { reads: 'mutable', rows: 0, cost_ms, work };
  const { kind, narrow, shared } = scan;
  const cells = read.records ?? 0;
  return {
    ...{ kind, narrow, shared, cost_ms, rows: 0, bytes, cells, source: INCREMENTAL, parts: [part] },
    explain: { ...explain, source: INCREMENTAL, parts: 1, rows: 0, ...read },
  };
}

function scanned(
  scan: Plan<FunnelShared, EntityWork>,
  { why, backfilling }: NotKept,
): Plan<FunnelShared, FunnelWork> {
  const shared = backfilling === undefined ? scan.shared : { ...scan.shared, backfilling };
  return { ...scan, shared, explain: { ...scan.explain, not_incremental: why } };
}

/** As `meta.source` says that a stored funnel was answered from what the operator keeps of it. */
const INCREMENTAL = 'incremental';

function keptOf(
  { funnel, group_by, filters, as_of, ...criteria }: FunnelQuery,
  from_ms: number,
  { context, kept, custom }: KeptParts,
): KeptInfo | NotKept {
  if (funnel === undefined) return { why: 'the funnel is not stored' };
  if (group_by.length > 0) return { why: 'group_by' };
  if (Object.keys(filters ?? {}).length > 0) return { why: 'filters of the query' };
  if (askedSegments(criteria, custom) !== undefined) return { why: 'its steps go by segments' };
  if (as_of !== undefined) return { why: 'as_of' };
  const info = kept.find(controlKey({ kind: FUNNEL_DEFINITION, scope: context.scope, id: funnel.id }));
  if (info === undefined || info.meaning !== keptFunnelOf(criteria, custom).meaning)
    return { why: 'the pipeline has not taken this funnel' };
  if (info.full !== undefined) return { why: LIMITS[info.full] };
  if (info.from_ms <= from_ms) return info;
  const { share = 0 } = info;
  return { why: 'it is being built for this range', backfilling: Math.floor(share * 1_000) / 1_000 };
}
