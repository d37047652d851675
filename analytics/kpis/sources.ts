import type { QueryContext } from '../../engine/index.ts';
import type { CellVisitor, CubeInfo } from '../../operators/index.ts';
import type { FamilySources } from '../query-head/index.ts';

/** A cube that can be read. Plain data. */
export interface KpiCube {
  readonly info: CubeInfo;
  /** As `meta.source` says it: its dimensions, `total` without any. */
  readonly name: string;
  /** It has every row from this time on. */
  readonly from_ms: number;
  /** While it is being built: the share of the rows that it counts, where that is known. */
  readonly share?: number;
  /** UTC days of the range, ms, ascending, on which its cells do not tell all values apart. */
  readonly full_days: readonly number[];
}

/** What a KPI query reads of one snapshot. */
export interface KpiSources extends FamilySources {
  /** The cubes there are of those that can be of use; `full_days` are those of the range. */
  cubes(start_ms: number, end_ms: number, isOfUse: (info: CubeInfo) => boolean): readonly KpiCube[];
  /** About how many cells lie in [start, end). */
  estimateCells(cube: KpiCube, start_ms: number, end_ms: number): number;
  scanCells(cube: KpiCube, start_ms: number, end_ms: number, visit: CellVisitor): void;
}

/** Opens the sources of a tenant in a snapshot. */
export type OpenSources = (context: QueryContext) => KpiSources;
