import type { Chunk, Dictionary, KvView, QueryContext, ScanPlan, ScanRequest } from '../../engine/index.ts';
import type { CellVisitor, CubeInfo } from '../../operators/index.ts';

/** A cube that can be read. Plain data. */
export interface KpiCube {
  readonly info: CubeInfo;
  /** As `meta.source` says it: its dimensions, `total` without any. */
  readonly name: string;
  /** It has every row from this time on. */
  readonly from_ms: number;
  /** UTC days of the range, ms, ascending, on which its cells do not tell all values apart. */
  readonly full_days: readonly number[];
}

/** What a KPI query reads of one snapshot. */
export interface KpiSources {
  readonly dictionary: Dictionary;
  planScan(request: ScanRequest): ScanPlan;
  /** Calls `take` for each chunk of the plan; a chunk is valid during the call. Throws `plan_stale`. */
  scan(plan: ScanPlan, take: (chunk: Chunk) => void): void;
  /** The cubes there are; `full_days` are those of the range. */
  cubes(start_ms: number, end_ms: number): readonly KpiCube[];
  /** About how many cells lie in [start, end). */
  estimateCells(cube: KpiCube, start_ms: number, end_ms: number): number;
  scanCells(cube: KpiCube, start_ms: number, end_ms: number, visit: CellVisitor): void;
  /** The raw table of exchange rates. */
  readonly rates: KvView;
  /** The log has no rows before it: retention; undefined where nothing was forgotten. */
  cut_ms(): number | undefined;
  /** null before the tenant's first event. */
  readonly complete_until_ms: number | null;
}

/** Opens the sources of a tenant in a snapshot. */
export type OpenSources = (context: QueryContext) => KpiSources;
