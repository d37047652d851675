import { type Chunk, EVENT_LABELS, WideIndex } from '../../engine/index.ts';
import { type EntityShare, type RowTest, RowTests, shareOf } from '../entity-rows/index.ts';
import { CODE } from '../rows/index.ts';

/** Bits of tests that a label has room for beside that of a retraction. */
export const MAX_LABEL_BITS = Math.log2(EVENT_LABELS) - 1;

interface EventLabelsConfig {
  readonly entity: number;
  readonly share: EntityShare;
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
  readonly #entity = new WideIndex();
  readonly #retraction = new WideIndex();
  #labels = new Uint8Array(0);

  constructor(config: EventLabelsConfig) {
    this.#config = config;
    this.#tests = new RowTests(config.tests);
  }

  of(chunk: Chunk): Uint8Array | undefined {
    const bits = this.#tests.of(chunk);
    if (bits === undefined) return undefined;
    if (this.#labels.length < chunk.rows) this.#labels = new Uint8Array(chunk.rows * 2);
    const labels = this.#labels;
    const { values, index } = chunk.code(CODE.retraction);
    const retraction = this.#retraction.of(index, chunk.rows);
    const isRetraction = Uint8Array.from(values, (value) => (value === 0 ? 0 : 1));
    for (let row = 0; row < chunk.rows; row++) {
      const own = bits[row] as number;
      labels[row] = own === 0 ? 0 : (own << 1) | (isRetraction[retraction[row] as number] as number);
    }
    this.#keepShare(chunk, labels);
    if (!chunk.isWhole) this.#cut(chunk, labels);
    return labels;
  }

  #keepShare(chunk: Chunk, labels: Uint8Array): void {
    const { entity, share } = this.#config;
    if (share.of === 1) return;
    const { hi, lo, index } = chunk.hash(entity);
    const mask = Uint8Array.from(hi, (high, at) =>
      shareOf(high, lo[at] as number, share.of) === share.index ? 255 : 0,
    );
    const places = this.#entity.of(index, chunk.rows);
    for (let row = 0; row < chunk.rows; row++)
      labels[row] = (labels[row] as number) & (mask[places[row] as number] as number);
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
