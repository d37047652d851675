import { type Chunk, EVENT_LABELS, roomFor, WideIndex } from '../../engine/index.ts';
import { type RowTest, RowTests } from '../entity-rows/index.ts';
import { CODE } from '../rows/index.ts';

/** Bits of tests that a label has room for beside that of a retraction. */
export const MAX_LABEL_BITS = Math.log2(EVENT_LABELS) - 1;

interface EventLabelsConfig {
  /** At most `MAX_LABEL_BITS`. */
  readonly tests: readonly RowTest[];
  /** Of the plan: rows outside have no label. */
  readonly request: { readonly start_ms: number; readonly end_ms: number; readonly upTo?: number };
}

/**
 * Labels rows with the tests that they pass, × 2, plus 1 for a retraction: so an event that is taken back comes, in
 * the order of labels, directly before what takes it back.
 */
export class EventLabels {
  readonly #config: EventLabelsConfig;
  readonly #tests: RowTests;
  readonly #retraction = new WideIndex();
  #labels = new Uint8Array(0);

  constructor(config: EventLabelsConfig) {
    this.#config = config;
    this.#tests = new RowTests(config.tests);
  }

  /** Valid until the next chunk; undefined where no row has a label. */
  of(chunk: Chunk): Uint8Array | undefined {
    const { rows } = chunk;
    if (this.#labels.length < rows) this.#labels = new Uint8Array(roomFor(rows));
    const labels = this.#labels.fill(0, 0, rows);
    if (!this.#tests.label(chunk, labels, 1)) return undefined;
    const { values, index } = chunk.code(CODE.retraction);
    if (values.some((value) => value !== 0)) {
      const places = this.#retraction.of(index, rows);
      for (let row = 0; row < rows; row++)
        if (labels[row] !== 0 && values[places[row] as number] !== 0) (labels[row] as number) |= 1;
    }
    if (!chunk.isWhole) this.#cut(chunk, labels);
    return labels;
  }

  #cut(chunk: Chunk, labels: Uint8Array): void {
    const { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = this.#config.request;
    const times = chunk.time_ms();
    const sequences = chunk.sequence();
    for (let row = 0; row < chunk.rows; row++) {
      const time_ms = times[row] as number;
      if (time_ms < start_ms || time_ms >= end_ms || (sequences[row] as number) > upTo) labels[row] = 0;
    }
  }
}
