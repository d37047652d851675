import type { KvView, LogSchema } from '../../../engine/index.ts';
import type { RowHistory } from '../backfill/index.ts';
import type { CubeDefinition } from './definition.ts';
import type { OwnReader, RowReader } from './row-reader.ts';

/** Configuration of `cubes`. */
export interface CubesConfig {
  readonly schema: LogSchema;
  readonly cubes: readonly CubeDefinition[];
  /** What a row adds; an operator has one of its own. */
  readonly reader: () => RowReader;
  /** Id of the table that holds the dictionary of the rows' codes: for the digest. */
  readonly dictionaryTable: string;
  /**
   * The rows of the past, from the tables of the log, which stands before this operator in the graph, or in a branch
   * that is made before its own. Without it a cube that is added to a state with others stays incomplete.
   */
  readonly history?: (table: (id: string) => KvView) => RowHistory;
  /** Cubes that users define while it runs; they need a history. */
  readonly defined?: DefinedCubes;
  /** Cells of one cube, UTC day and scope before additions to new ones go to `__other__`. Default: 100,000. */
  readonly cells_per_day?: number;
  /** Cells in memory before a commit is asked for. Default: 100,000. */
  readonly touched_max_cells?: number;
  /** Rows of the log that are read in a commit to build cubes, about. Default: 50,000. */
  readonly build_max_rows?: number;
  /** Rows of a dropped cube that are removed in a commit. Default: 1,000. */
  readonly drop_max_rows?: number;
}

/** Definitions that are cubes, each of its scope's rows. */
export interface DefinedCubes {
  readonly kind: string;
  /** Throws for a body that is no cube. */
  readonly read: (body: unknown) => Pick<CubeDefinition, 'dimensions' | 'bucket_ms'>;
}

/** A cube that is wanted, and what a row adds to it where that is not what it adds to all others. */
export interface WantedCube extends CubeDefinition {
  readonly reader?: OwnReader;
}

export const DEFAULT_CELLS_PER_DAY = 100_000;
export const DEFAULT_TOUCHED_CELLS = 100_000;
