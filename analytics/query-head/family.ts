import type { Chunk, KvView, QueryContext, ScanPlan, ScanRequest } from '../../engine/index.ts';
import type { LogTexts } from '../filters/index.ts';
import type { RangeHeader } from './prepare-head.ts';

/** What a family of queries reads of one tenant in one snapshot. */
export interface FamilySources {
  readonly dictionary: LogTexts;
  planScan(request: ScanRequest): ScanPlan;
  /** Calls `take` for each chunk of the plan; a chunk is valid during the call. Throws `plan_stale`. */
  scan(plan: ScanPlan, take: (chunk: Chunk) => void): void;
  /** The raw table of exchange rates. */
  readonly rates: KvView;
  /** The log has no rows before it: retention; undefined where nothing was forgotten. */
  cut_ms(): number | undefined;
  /** The state was begun by a version that knew fewer names of types and statuses of orders. */
  hasOlderNames?(): boolean;
  /** null before the tenant's first event. */
  readonly complete_until_ms: number | null;
}

/** Opens the sources of a tenant in a snapshot. */
export type OpenFamily = (context: QueryContext) => FamilySources;

/** The answer of a query of a family: what HTTP makes `meta` of, and the rest of the body. Plain data. */
export interface FamilyAnswer {
  readonly query_id: string;
  readonly header: RangeHeader;
  /** As `meta.source`. */
  readonly source: string;
  readonly approximate?: readonly string[];
  readonly warnings?: readonly string[];
  /** A definition that would answer this faster is being built: the share that is done. */
  readonly backfilling?: number;
  /** The plan, where `explain` asks for it. */
  readonly explain?: Readonly<Record<string, unknown>>;
  /** The members of the answer, as the spec's examples have them. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** What the plan of a family's query shares with its parts, at the least. */
export interface FamilyShared<Q> {
  readonly query: Q;
  readonly header: RangeHeader;
}
