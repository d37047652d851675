import { controlKey, type Plan, type PlanPart, type QueryContext } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import type { KeptInfo, KeptView } from '../kept-events/index.ts';
import type { FunnelShared } from './funnel-scan.ts';
import type { FunnelQuery } from './funnel-schema.ts';
import { FUNNEL_DEFINITION, keptFunnelOf } from './kept-funnel.ts';

/** What is kept of stored funnels, in a snapshot. */
export type OpenKept = (context: QueryContext) => KeptView;

/** What a part of a plan reads: entities of a scan, or all that are kept of a stored funnel. Plain data. */
export type FunnelWork = EntityWork | KeptWork;

export interface KeptWork {
  readonly kept: KeptInfo;
  /** Events before it are no longer kept, or are not asked for. */
  readonly from_ms: number;
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

/** CPU of a record that is looked at, and of a byte of its events, measured. */
const RECORD_NS = 250;
const BYTE_NS = 7;
/** Bytes of an event that is kept, about. */
const EVENT_BYTES = 8;
/** What is read in a moment is read, whatever a scan would take. */
const ALWAYS_MAX_MS = 5;
/** A scan's estimate leaves out what it does once; so much more is still no slower. */
const SCAN_FACTOR = 1.5;

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
  const { recordCount: cells, stored_bytes: bytes } = parts.kept.open(found);
  // Every entity is looked at, and of the events those in the range.
  const read_bytes = Math.min(bytes, scan.rows * EVENT_BYTES);
  const cost_ms = (cells * RECORD_NS + read_bytes * BYTE_NS) / 1e6;
  if (cost_ms > Math.max(ALWAYS_MAX_MS, SCAN_FACTOR * scan.cost_ms))
    return scanned(scan, { why: 'a scan of this range takes less' });
  const { way: _, why: __, ...explain } = scan.explain;
  // It reads what the next commit changes, so it is one part, in the snapshot of the plan.
  const part: PlanPart<KeptWork> = { reads: 'mutable', rows: 0, cost_ms, work: { kept: found, from_ms } };
  const { kind, narrow, shared } = scan;
  return {
    ...{ kind, narrow, shared, cost_ms, rows: 0, bytes, cells, source: INCREMENTAL, parts: [part] },
    explain: { ...explain, source: INCREMENTAL, parts: 1, rows: 0, records: cells },
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
  if (as_of !== undefined) return { why: 'as_of' };
  const info = kept.find(controlKey({ kind: FUNNEL_DEFINITION, scope: context.scope, id: funnel.id }));
  if (info === undefined || info.meaning !== keptFunnelOf(criteria, custom).meaning)
    return { why: 'the pipeline has not taken this funnel' };
  if (info.full !== undefined) return { why: LIMITS[info.full] };
  if (info.from_ms <= from_ms) return info;
  const { share = 0 } = info;
  return { why: 'it is being built for this range', backfilling: Math.floor(share * 1_000) / 1_000 };
}
