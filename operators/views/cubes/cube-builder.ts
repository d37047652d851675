import { invariant } from '../../../engine/errors.ts';
import type { RowBatch } from '../../../engine/log/index.ts';
import type { Cube, LeftRow } from './cube.ts';
import { type CubeHistory, nextSlice } from './history.ts';

/**
 * Builds cubes that do not have all rows from the log, newest first. At a barrier it reads a slice of time before
 * what a cube counts, adds its rows, and moves the cube's `from_ms` to the slice's start: rows of that time that
 * come later are added as they come. Cubes that stand at one time are built by one read.
 */
export class CubeBuilder {
  readonly #cubes: readonly Cube[];
  readonly #history: CubeHistory;
  readonly #max_rows: number;
  readonly #take: (building: readonly Cube[], rows: RowBatch) => void;

  constructor(
    cubes: readonly Cube[],
    history: CubeHistory,
    max_rows: number,
    take: (building: readonly Cube[], rows: RowBatch) => void,
  ) {
    this.#cubes = cubes;
    this.#history = history;
    this.#max_rows = max_rows;
    this.#take = take;
  }

  #building(): readonly Cube[] {
    const start_ms = this.#history.start_ms();
    return this.#cubes.filter(({ info }) => info.from_ms > start_ms);
  }

  get incomplete(): number {
    return this.#building().length;
  }

  /** Inside a commit. Reads about `max_rows` rows, at least one slice. `left` is of the rows of this commit. */
  step(left: LeftRow): void {
    let budget = this.#max_rows;
    while (budget > 0) {
      const building = this.#building();
      if (building.length === 0) return;
      const from_ms = Math.max(...building.map(({ info }) => info.from_ms));
      const group = building.filter(({ info }) => info.from_ms === from_ms);
      budget -= this.#buildSlice(group, from_ms, left);
    }
  }

  /** Gives the rows that were read. */
  #buildSlice(group: readonly Cube[], from_ms: number, left: LeftRow): number {
    const slice = nextSlice(this.#history, from_ms, this.#max_rows);
    let rows = 0;
    if (slice !== undefined) {
      const { start_ms, end_ms } = slice;
      let isThere = left.time_ms < start_ms || left.time_ms >= end_ms;
      this.#history.read(start_ms, end_ms, (batch) => {
        rows += batch.length;
        isThere ||= batch.sequence.subarray(0, batch.length).includes(left.sequence);
        this.#take(group, batch);
      });
      invariant(isThere, 'the log has the rows of the commit under way: it stands before the cubes');
    }
    const reached_ms = slice?.start_ms ?? this.#history.start_ms();
    for (const cube of group) cube.info = { ...cube.info, from_ms: reached_ms };
    return Math.max(1, rows);
  }
}
