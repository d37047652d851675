import { type Chunk, roomFor } from '../columns/index.ts';
import type { ScanRequest } from '../log/index.ts';
import { WideIndex } from './wide-index.ts';

/** Which rows of a log are of interest, and what each is. Columns as in `Chunk`. */
export interface RowLabelsConfig {
  /** Code column that says what a row is, and the label (1..255) of each code; rows with other codes have none. */
  readonly kind: number;
  readonly labels: ReadonlyMap<number, number>;
  /** Code column and the bits of which a row must have one: rows that came in as events. */
  readonly flags: number;
  readonly flag: number;
  /** Of the plan: rows outside have no label. */
  readonly request: Pick<ScanRequest, 'start_ms' | 'end_ms' | 'upTo'>;
}

/** Rows whose code a test accepts. Columns as in `Chunk`. */
export interface AcceptedRowsConfig {
  readonly column: number;
  readonly accepts: (code: number) => boolean;
  /** Of the plan: rows outside are not accepted. */
  readonly request: Pick<ScanRequest, 'start_ms' | 'end_ms' | 'upTo'>;
}

/** Picks such rows of chunks, where a kernel needs no labels: cheap where they are few. */
export class AcceptedRows {
  readonly #config: AcceptedRowsConfig;
  rows = new Uint32Array(0);

  constructor(config: AcceptedRowsConfig) {
    this.#config = config;
  }

  /** Writes them to `rows`, in order; returns how many. */
  select(chunk: Chunk): number {
    const { column, accepts, request } = this.#config;
    if (this.rows.length < chunk.rows) this.rows = new Uint32Array(roomFor(chunk.rows));
    const { rows } = this;
    let count = chunk.select(column, accepts, rows);
    if (count === 0 || chunk.isWhole) return count;
    const { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = request;
    if (chunk.min_ms < start_ms || chunk.max_ms >= end_ms)
      count = pickBetween(chunk.time_ms(), start_ms, end_ms, rows, count);
    if (chunk.max_sequence > upTo)
      count = pickBetween(chunk.sequence(), Number.NEGATIVE_INFINITY, upTo + 1, rows, count);
    return count;
  }
}

/** Keeps the rows within [min, end); returns how many. */
function pickBetween(
  values: Float64Array,
  min: number,
  end: number,
  rows: Uint32Array,
  count: number,
): number {
  let kept = 0;
  for (let at = 0; at < count; at++) {
    const row = rows[at] as number;
    const value = values[row] as number;
    if (value >= min && value < end) rows[kept++] = row;
  }
  return kept;
}

/** Labels the rows of chunks: what a kernel then looks at in one loop. */
export class RowLabels {
  readonly #config: RowLabelsConfig;
  readonly #kinds = new WideIndex();
  readonly #flags = new WideIndex();
  #labels = new Uint8Array(0);

  constructor(config: RowLabelsConfig) {
    this.#config = config;
  }

  /** The label of each row, 0 where it has none; undefined where no row has one. Valid until the next chunk. */
  of(chunk: Chunk): Uint8Array | undefined {
    const { kind, labels, flags, flag } = this.#config;
    const kinds = chunk.code(kind);
    const labelOf = Uint8Array.from(kinds.values, (code) => labels.get(code) ?? 0);
    if (!labelOf.some((label) => label !== 0)) return undefined;
    const flagged = chunk.code(flags);
    const maskOf = Uint8Array.from(flagged.values, (code) => ((code & flag) === 0 ? 0 : 255));
    if (!maskOf.includes(255)) return undefined;
    if (this.#labels.length < chunk.rows) this.#labels = new Uint8Array(roomFor(chunk.rows));
    const target = this.#labels;
    const kindIndex = this.#kinds.of(kinds.index, chunk.rows);
    if (maskOf.includes(0)) {
      const flagIndex = this.#flags.of(flagged.index, chunk.rows);
      labelFlagged(kindIndex, labelOf, flagIndex, maskOf, chunk.rows, target);
    } else labelAll(kindIndex, labelOf, chunk.rows, target);
    if (!chunk.isWhole) this.#cut(chunk, target);
    return target;
  }

  #cut(chunk: Chunk, target: Uint8Array): void {
    const { start_ms, end_ms, upTo } = this.#config.request;
    if (chunk.min_ms < start_ms || chunk.max_ms >= end_ms)
      keepBetween(chunk.time_ms(), start_ms, end_ms, chunk.rows, target);
    if (upTo !== undefined && chunk.max_sequence > upTo)
      keepBetween(chunk.sequence(), Number.NEGATIVE_INFINITY, upTo + 1, chunk.rows, target);
  }
}

function labelAll(kinds: Uint32Array, labelOf: Uint8Array, rows: number, target: Uint8Array): void {
  for (let row = 0; row < rows; row++) target[row] = labelOf[kinds[row] as number] as number;
}

function labelFlagged(
  kinds: Uint32Array,
  labelOf: Uint8Array,
  flags: Uint32Array,
  maskOf: Uint8Array,
  rows: number,
  target: Uint8Array,
): void {
  for (let row = 0; row < rows; row++)
    target[row] = (labelOf[kinds[row] as number] as number) & (maskOf[flags[row] as number] as number);
}

/** Takes the label from rows outside [min, end). */
function keepBetween(values: Float64Array, min: number, end: number, rows: number, target: Uint8Array): void {
  for (let row = 0; row < rows; row++) {
    const value = values[row] as number;
    if (!(value >= min && value < end)) target[row] = 0;
  }
}
