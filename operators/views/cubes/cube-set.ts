import type { Dictionary, RowBatch } from '../../../engine/index.ts';
import { addRows, type Cube, CubeIndex, type LeftRow } from './cube.ts';
import { CubeWriter, type FilledDay, type WriterTables } from './cube-writer.ts';
import type { RowReader } from './row-reader.ts';

interface SetLimit {
  readonly cells_per_day: number;
  readonly filled: (day: FilledDay) => void;
  /** Hears of a cube whose touched cells are about to be brought into its cells. */
  readonly drained?: ((cube: Cube) => void) | undefined;
}

/** The cubes of an operator that count rows, in memory and on their way to disk. */
export class CubeSet {
  readonly #tables: WriterTables;
  readonly #limit: SetLimit;
  #writers: ReadonlyMap<Cube, CubeWriter> = new Map();
  #index = new CubeIndex([]);
  readonly #reader: RowReader;
  /** Of the last batch: codes are the same in all. */
  #dictionary: Dictionary | undefined;
  readonly #left: LeftRow = { time_ms: Number.NEGATIVE_INFINITY, sequence: 0, scope: 0 };
  /** Of cubes that are gone. */
  #blocksBefore = 0;
  /** Of the last row that came in. */
  sequence = 0;

  constructor(reader: RowReader, tables: WriterTables, limit: SetLimit) {
    this.#reader = reader;
    this.#tables = tables;
    this.#limit = limit;
  }

  /** From here on these count rows; what was added to others is gone. */
  follow(cubes: readonly Cube[]): void {
    const { cells_per_day, filled } = this.#limit;
    const before = this.#writers;
    const writers = new Map(
      cubes.map((cube) => [
        cube,
        before.get(cube) ?? new CubeWriter(cube, this.#tables, cells_per_day, filled),
      ]),
    );
    for (const [cube, { blocksWritten }] of before)
      if (!writers.has(cube)) this.#blocksBefore += blocksWritten;
    this.#writers = writers;
    this.#index = new CubeIndex(cubes);
  }

  /** Whether a row of this commit was left to the log that is in what was read of a scope; of all: undefined. */
  leftIn(scope: string | undefined, start_ms: number, end_ms: number): LeftRow | undefined {
    const left = this.#left;
    if (left.time_ms < start_ms || left.time_ms >= end_ms) return undefined;
    return scope === undefined || this.#dictionary?.textOf(left.scope) === scope ? left : undefined;
  }

  get touchedCells(): number {
    let touched = 0;
    for (const cube of this.#writers.keys()) touched += cube.touched.count;
    return touched;
  }

  get blocksWritten(): number {
    let written = this.#blocksBefore;
    for (const { blocksWritten } of this.#writers.values()) written += blocksWritten;
    return written;
  }

  /** Rows that come in. */
  add(rows: RowBatch): void {
    addRows(this.#index, this.#reader, rows, this.#left);
    this.#dictionary = rows.dictionary;
    if (rows.length > 0) this.sequence = rows.sequence[rows.length - 1] as number;
  }

  /** Rows of the log, for the cubes that are being built. */
  addHistory(building: CubeIndex, rows: RowBatch): void {
    addRows(building, this.#reader, rows, undefined);
    this.#dictionary = rows.dictionary;
  }

  /** Brings what was added into the cells. Inside a commit. */
  drain(): void {
    // Nothing was added before the first batch.
    if (this.#dictionary === undefined) return;
    for (const [cube, writer] of this.#writers) {
      if (cube.touched.count > 0) this.#limit.drained?.(cube);
      writer.drain(this.#dictionary);
    }
  }

  /** Of the last batch; undefined before the first one. */
  get dictionary(): Dictionary | undefined {
    return this.#dictionary;
  }

  /** The commit is complete. */
  next(): void {
    this.#left.time_ms = Number.NEGATIVE_INFINITY;
  }
}
