import type { KvView } from '../../engine/index.ts';
import type { Chunk, Dictionary, ScanPlan, ScanRequest } from '../../engine/log/index.ts';
import type { QueryContext } from '../../engine/query/kind.ts';
import type { ExactSum } from '../../operators/index.ts';
import type { Measure } from './measures.ts';

/** A cube that can be read. Plain data. */
export interface KpiCube {
  /** As `meta.source` says it: `country`, `total`. */
  readonly name: string;
  /** Dimensions whose values its cells have, beside the currency. */
  readonly dimensions: readonly string[];
  /** Width of its buckets, aligned to the epoch. */
  readonly bucket_ms: number;
  /** It has every row from this time on. */
  readonly from_ms: number;
}

/** One cell. `codes` and `sum` are valid only during the call. */
export interface CubeCell {
  readonly bucket_ms: number;
  /** Dictionary code. */
  readonly currency: number;
  /** Dictionary codes in the order of the cube's dimensions. */
  readonly codes: Int32Array;
  sum(measure: Measure): ExactSum;
}

/** What a KPI query reads of one snapshot. */
export interface KpiSources {
  readonly dictionary: Dictionary;
  planScan(request: ScanRequest): ScanPlan;
  /** Calls `take` for each chunk of the plan; a chunk is valid during the call. */
  scan(plan: ScanPlan, take: (chunk: Chunk) => void): void;
  readonly cubes: readonly KpiCube[];
  /** About how many cells lie in [start, end). */
  estimateCells(cube: KpiCube, start_ms: number, end_ms: number): number;
  scanCells(cube: KpiCube, start_ms: number, end_ms: number, take: (cell: CubeCell) => void): void;
  /** The raw table of exchange rates. */
  readonly rates: KvView;
  /** The log has no rows before it: retention; undefined where nothing was forgotten. */
  readonly cut_ms: number | undefined;
  /** null before the tenant's first event. */
  readonly complete_until_ms: number | null;
}

/** Opens the sources of a tenant in a snapshot. */
export type OpenSources = (context: QueryContext) => KpiSources;
