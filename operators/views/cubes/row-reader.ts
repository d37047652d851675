import type { RowBatch } from '../../../engine/index.ts';
import type { ReaderColumns } from '../backfill/index.ts';

/**
 * Says what a row adds to the sums of a cell. It answers in arrays of its own, which the next call overwrites, so
 * that a row costs no object. Values are safe integers; a sum of them may be larger.
 */
export interface RowReader {
  /** Sums of a cell. */
  readonly measures: number;
  /** Another text when the same row would add something else: the cubes are then built anew. */
  readonly version: string;
  /** Code column of the currency: amounts in different ones are never added up. */
  readonly currency: number;
  /** What it looks at. */
  readonly columns: ReaderColumns;
  /** Additions of the last `read` or `readGroup`: `value[i]` to the sum `measure[i]`. */
  readonly measure: Int32Array;
  readonly value: Float64Array;
  /** The batch that the rows of the next calls are of. */
  open(batch: RowBatch): void;
  /** The number of additions of a row as a whole; 0: it counts nowhere. */
  read(row: number): number;
  /**
   * Groups the row's items (it has some) by item code columns, in the order in which they first occur; gives the
   * number of groups. Only for cubes by item columns.
   */
  group(row: number, itemColumns: Int32Array): number;
  /** Codes of the groups, `itemColumns.length` each. */
  readonly groupCodes: Int32Array;
  /** The number of additions of a group of the last `group`. */
  readGroup(group: number): number;
}

/** A reader of one cube alone. */
export interface OwnReader extends RowReader {
  /** Text columns of rows that it looks at beside those of the cube. */
  readonly texts: readonly string[];
}
