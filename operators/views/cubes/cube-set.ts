import type { Dictionary, RowBatch } from '../../../engine/index.ts';
import { addRows, Cube, type LeftRow } from './cube.ts';
import { CubeWriter, type FilledDay, type WriterTables } from './cube-writer.ts';
import type { CubeInfo } from './definition.ts';
import type { RowReader } from './row-reader.ts';

/** The configured cubes of an operator, in memory and on their way to disk. */
export class CubeSet {
  readonly cubes: readonly Cube[];
  readonly #writers: readonly CubeWriter[];
  readonly #reader: RowReader;
  /** Of the last batch: codes are the same in all. */
  #dictionary: Dictionary | undefined;
  readonly #left: LeftRow = { time_ms: Number.NEGATIVE_INFINITY, sequence: 0 };
  /** Of the last row that came in. */
  sequence = 0;

  constructor(
    infos: readonly CubeInfo[],
    reader: RowReader,
    tables: WriterTables,
    limit: { readonly cells_per_day: number; readonly filled: (day: FilledDay) => void },
  ) {
    this.cubes = infos.map((info) => new Cube(info));
    this.#reader = reader;
    this.#writers = this.cubes.map((cube) => new CubeWriter(cube, tables, limit.cells_per_day, limit.filled));
  }

  /** Of the rows since the last commit. */
  get left(): LeftRow {
    return this.#left;
  }

  get touchedCells(): number {
    return this.cubes.reduce((sum, { touched }) => sum + touched.count, 0);
  }

  get blocksWritten(): number {
    return this.#writers.reduce((sum, { blocksWritten }) => sum + blocksWritten, 0);
  }

  /** Rows that come in. */
  add(rows: RowBatch): void {
    addRows(this.cubes, this.#reader, rows, this.#left);
    this.#dictionary = rows.dictionary;
    if (rows.length > 0) this.sequence = rows.sequence[rows.length - 1] as number;
  }

  /** Rows of the log, for the cubes that are being built. */
  addHistory(building: readonly Cube[], rows: RowBatch): void {
    addRows(building, this.#reader, rows, undefined);
    this.#dictionary = rows.dictionary;
  }

  /** Brings what was added into the cells. Inside a commit. */
  drain(): void {
    // Nothing was added before the first batch.
    if (this.#dictionary === undefined) return;
    for (const writer of this.#writers) writer.drain(this.#dictionary);
  }

  /** The commit is complete. */
  next(): void {
    this.#left.time_ms = Number.NEGATIVE_INFINITY;
  }
}
