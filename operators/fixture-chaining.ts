import { defineOperator } from '../engine/index.ts';
import { type Row, rowInput } from './joins/fixture-join.ts';
import type { JoinMode } from './joins/index.ts';

/** What a join of rows gives: those that were there. */
export interface Joined {
  readonly left?: Row;
  readonly right?: Row;
}
export type Type = 'inner' | 'left' | 'outer';
export const modeOf = (type: Type): JoinMode<Row, Row, Joined> => ({
  type,
  join: (l: Row | undefined, r: Row | undefined): Joined => ({
    ...(l === undefined ? {} : { left: l }),
    ...(r === undefined ? {} : { right: r }),
  }),
});
/** Both sides of a join of rows. */
export const inputs = { left: rowInput, right: rowInput, cache_rows: 4 } as const;

/** Whose event time is taken, where both are there. */
export type By = 'left' | 'right';

export const timeBy = (item: Joined, by: By): number =>
  ((by === 'left' ? (item.left ?? item.right) : (item.right ?? item.left)) as Row).time_ms;

/**
 * Passes items on, and throws at one that is late, or at a watermark that moves back. `times`: the event times that
 * the operator behind might take for an item's.
 */
export const nothingLate = <A>(name: string, times: (item: A) => readonly number[]) =>
  defineOperator<A, A>({
    kind: 'nothing-late',
    summary: 'A check of the test',
    start: ({ emit, initialWatermark_ms }) => {
      let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
      return {
        onBatch: (items) => {
          for (const time_ms of items.flatMap(times)) {
            if (time_ms < watermark_ms) throw new Error(`${time_ms} is late behind ${watermark_ms}`);
          }
          emit(items);
        },
        onWatermark: (time_ms) => {
          if (time_ms < watermark_ms) throw new Error(`${time_ms} comes after ${watermark_ms}`);
          watermark_ms = time_ms;
        },
      };
    },
  })(name, undefined);
