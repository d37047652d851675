import {
  type Chunk,
  type ChunkCodes,
  type ChunkHashes,
  type ChunkItems,
  type ChunkPlace,
  type ChunkTimes,
  Dictionary,
  type HashColumn,
  labelIndexed,
  type PlanHead,
  RowBatch,
  type ScanPlan,
  type ScanRequest,
} from '../../engine/index.ts';
import { murmur128 } from '../../operators/index.ts';
import { normalType } from '../events/index.ts';
import { CODE, FLAG, HASH, ITEM_CODE, NUMBER, ROW_DIMENSIONS, rowSchema } from '../rows/index.ts';
import { timeOf } from './fields.ts';
import type { EventSelector } from './find-events.ts';
import { inlineSelector } from './inline-selector.ts';
import type { EventLogView, Selection, SelectRequest } from './select-request.ts';
import type { EventTerms } from './terms.ts';

const ALIASES = new Map([['order.placed', 'order.created']]);

function wordsOf(tenant: string, text: string): Uint32Array {
  const words = new Uint32Array(4);
  const bytes = Buffer.from(`${tenant}/${text}`);
  murmur128(bytes, 0, bytes.length, 7, words);
  return words;
}

export const TEST_TERMS: EventTerms = {
  typeOf: (type) => ALIASES.get(normalType(type)) ?? normalType(type),
  idHash: (tenant, id) => {
    const [hi = 0, lo = 0] = wordsOf(tenant, id);
    return { hi: hi | 0, lo: lo | 0 };
  },
  // Few, so that ids share codes.
  eventCode: (tenant, id) => 1 + ((wordsOf(tenant, id)[0] as number) % 97),
};

export type TestEvent = Readonly<Record<string, unknown>>;

/** The original row of an event. `over`: members that its row has instead of its own, from its order. */
export function writeEvent(
  batch: RowBatch,
  tenant: string,
  event: TestEvent,
  sequence: number,
  part: number,
  over: TestEvent = {},
): number {
  const { dictionary } = batch;
  const row = batch.append();
  const merged = { ...event, ...over };
  const text = (name: string): number => {
    // The decoder gives a code to what the event itself says, whatever its row says in the end.
    dictionary.codeOf(String(event[name] ?? ''));
    return dictionary.codeOf(String(merged[name] ?? ''));
  };
  batch.time_ms[row] = timeOf(String(event.time));
  batch.sequence[row] = sequence;
  batch.part[row] = part;
  batch.scope[row] = dictionary.codeOf(tenant);
  const { codes, hashes, numbers } = batch.columns;
  const code = (column: number, value: number): void => {
    (codes[column] as Int32Array)[row] = value;
  };
  code(CODE.retraction, 0);
  // What an event lacks it may have from its order; what is another than its own it has from a newer version.
  const isMerged = Object.keys(over).some((name) => (event[name] ?? '') !== '' && event[name] !== over[name]);
  code(CODE.flags, FLAG.original | (isMerged ? FLAG.merged : 0));
  code(CODE.type, dictionary.codeOf(TEST_TERMS.typeOf(String(event.type))));
  code(CODE.marks, 0);
  code(CODE.currency, dictionary.codeOf(String(merged.currency ?? '').toUpperCase()));
  code(CODE.event, TEST_TERMS.eventCode(tenant, String(event.event_id)));
  for (const [index, name] of ROW_DIMENSIONS.entries()) code(CODE.dimensions + index, text(name));
  const hash = (column: number, name: string): void => {
    const id = merged[name];
    const words = id === undefined ? { hi: 0, lo: 0 } : TEST_TERMS.idHash(tenant, String(id));
    const { hi, lo } = hashes[column] as HashColumn;
    hi[row] = words.hi;
    lo[row] = words.lo;
  };
  hash(HASH.order, 'order_id');
  hash(HASH.customer, 'customer_id');
  hash(HASH.session, 'session_id');
  for (const name of ['amount', 'discount', 'shipping', 'tax', 'value', 'origin'] as const) {
    (numbers[NUMBER[name]] as Float64Array)[row] = Number(merged[name] ?? Number.NaN);
  }
  const items = (merged.items ?? []) as readonly TestEvent[];
  batch.itemCount[row] = items.length;
  const first = batch.appendItems(items.length);
  batch.itemStart[row] = first;
  for (const [index, item] of items.entries()) {
    (batch.items.codes[ITEM_CODE.sku] as Int32Array)[first + index] = dictionary.codeOf(String(item.sku));
    (batch.items.codes[ITEM_CODE.category] as Int32Array)[first + index] = 0;
    for (const column of batch.items.numbers) column[first + index] = 1;
  }
  return row;
}

/** A correction of the last event: a row that is no event. */
export function writeCorrection(batch: RowBatch, sequence: number): number {
  const from = batch.length - 1;
  const row = batch.append();
  batch.time_ms[row] = batch.time_ms[from] as number;
  batch.sequence[row] = sequence;
  batch.part[row] = 0;
  batch.scope[row] = batch.scope[from] as number;
  const { codes, hashes, numbers } = batch.columns;
  for (const column of codes) column[row] = column[from] as number;
  (codes[CODE.flags] as Int32Array)[row] = FLAG.restated;
  for (const { hi, lo } of hashes) {
    hi[row] = hi[from] as number;
    lo[row] = lo[from] as number;
  }
  for (const column of numbers) column[row] = column[from] as number;
  batch.itemCount[row] = 0;
  batch.itemStart[row] = 0;
  return row;
}

/** A log as tests fill it. */
export interface FilledLog extends EventLogView {
  add(tenant: string, event: TestEvent, sequence: number, part: number, over?: TestEvent): void;
  correct(sequence: number): void;
  /** Puts the segments that are there into others, as a merge does. */
  merge(): void;
}

/** A log in memory: rows in columns, cut into chunks in an order that a test chooses. */
export class TestLog implements FilledLog {
  readonly schema = rowSchema();
  readonly dictionary: Dictionary;
  readonly batch: RowBatch;
  /** Rows by chunk. */
  #chunks: number[][] = [];
  #tail: number[] = [];
  readonly chunk_rows: number;
  /** Chunks that were read. */
  reads = 0;

  constructor(options: { readonly chunk_rows?: number; readonly texts_max?: number } = {}) {
    this.chunk_rows = options.chunk_rows ?? 16;
    this.dictionary = new Dictionary(options.texts_max);
    this.batch = new RowBatch(this.schema, this.dictionary);
    // Before it is full.
    for (const tenant of ['a', 'b']) this.dictionary.codeOf(tenant);
  }

  /** Appends an event's original row. `over`: members that its row has instead of its own, from its order. */
  add(tenant: string, event: TestEvent, sequence: number, part: number, over: TestEvent = {}): void {
    this.#tail.push(writeEvent(this.batch, tenant, event, sequence, part, over));
    if (this.#tail.length >= this.chunk_rows) this.#seal();
  }

  /** Appends a correction of the last event: a row that is no event. */
  correct(sequence: number): void {
    this.#tail.push(writeCorrection(this.batch, sequence));
  }

  #seal(): void {
    if (this.#tail.length > 0) this.#chunks.push(this.#tail);
    this.#tail = [];
  }

  /** Sorts everything anew, as a merge of segments does: by day and customer, then by time. */
  merge(): void {
    this.#seal();
    const { time_ms, columns } = this.batch;
    const { hi } = columns.hashes[HASH.customer] as HashColumn;
    const day = (row: number): number => Math.floor((time_ms[row] as number) / 86_400_000);
    const rows = this.#chunks
      .flat()
      .sort(
        (a, b) =>
          day(a) - day(b) ||
          (hi[a] as number) - (hi[b] as number) ||
          (time_ms[a] as number) - (time_ms[b] as number),
      );
    this.#chunks = [];
    for (let at = 0; at < rows.length; at += this.chunk_rows) {
      this.#chunks.push(rows.slice(at, at + this.chunk_rows));
    }
  }

  #all(): readonly number[][] {
    return this.#tail.length > 0 ? [...this.#chunks, this.#tail] : this.#chunks;
  }

  plan(request: ScanRequest): ScanPlan {
    const { time_ms, sequence, scope } = this.batch;
    const tenant = this.dictionary.find(request.scope);
    const chunks: ChunkPlace[] = [];
    for (const [index, all] of this.#all().entries()) {
      const rows = all.filter((row) => scope[row] === tenant);
      const times = rows.map((row) => time_ms[row] as number);
      const min_ms = Math.min(...times);
      const max_ms = Math.max(...times);
      if (rows.length === 0 || max_ms < request.start_ms || min_ms >= request.end_ms) continue;
      const upTo = request.upTo ?? Number.POSITIVE_INFINITY;
      if (rows.every((row) => (sequence[row] as number) > upTo)) continue;
      chunks.push({
        segment: request.scope,
        chunk: index,
        rows: rows.length,
        isWhole: false,
        min_ms,
        max_ms,
      });
    }
    const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
    return { request, chunks, segments: chunks.length, rows, bytes: rows * 100 };
  }

  scan({ request, chunks }: ScanPlan, visit: (chunk: Chunk) => unknown): void {
    const tenant = this.dictionary.find(request.scope);
    for (const { chunk } of chunks) {
      this.reads++;
      const rows = (this.#all()[chunk] ?? []).filter((row) => this.batch.scope[row] === tenant);
      visit(new TestChunk(this.batch, rows));
    }
  }
}

class TestChunk implements Chunk {
  readonly isWhole = false;
  readonly #batch: RowBatch;
  readonly #rows: readonly number[];

  constructor(batch: RowBatch, rows: readonly number[]) {
    this.#batch = batch;
    this.#rows = rows;
  }

  get rows(): number {
    return this.#rows.length;
  }

  #of<T>(values: ArrayLike<T>): T[] {
    return this.#rows.map((row) => values[row] as T);
  }

  get min_ms(): number {
    return Math.min(...this.#of(this.#batch.time_ms));
  }

  get max_ms(): number {
    return Math.max(...this.#of(this.#batch.time_ms));
  }

  get min_sequence(): number {
    return Math.min(...this.#of(this.#batch.sequence));
  }

  get max_sequence(): number {
    return Math.max(...this.#of(this.#batch.sequence));
  }

  time_ms(): Float64Array {
    return Float64Array.from(this.#of(this.#batch.time_ms));
  }

  times(): ChunkTimes {
    return { base_ms: 0, scale_ms: 1, values: this.time_ms() };
  }

  sequence(): Float64Array {
    return Float64Array.from(this.#of(this.#batch.sequence));
  }

  part(): Int32Array {
    return Int32Array.from(this.#of(this.#batch.part));
  }

  code(column: number): ChunkCodes {
    return coded(this.#of(this.#batch.columns.codes[column] as Int32Array));
  }

  select(column: number, accepts: (code: number) => boolean, rows: Uint32Array): number {
    const codes = this.#of(this.#batch.columns.codes[column] as Int32Array);
    const selected = codes.flatMap((code, row) => (accepts(code) ? [row] : []));
    rows.set(selected);
    return selected.length;
  }

  label(column: number, labelOf: (code: number) => number, target: Uint8Array): boolean {
    return labelIndexed(this.code(column), this.rows, labelOf, target);
  }

  hash(column: number): ChunkHashes {
    const { hi, lo } = this.#batch.columns.hashes[column] as HashColumn;
    const keys = this.#rows.map((row) => `${hi[row]}/${lo[row]}`);
    const distinct = [...new Set(keys)];
    const words = distinct.map((key) => key.split('/').map(Number));
    return {
      index: distinct.length === 1 ? null : Uint32Array.from(keys, (key) => distinct.indexOf(key)),
      hi: Int32Array.from(words, ([word = 0]) => word),
      lo: Int32Array.from(words, ([, word = 0]) => word),
    };
  }

  number(column: number): Float64Array {
    return Float64Array.from(this.#of(this.#batch.columns.numbers[column] as Float64Array));
  }

  get hasItems(): boolean {
    return this.#of(this.#batch.itemCount).some((count) => count > 0);
  }

  items(): ChunkItems {
    const { items, itemStart, itemCount, itemLength } = this.#batch;
    return {
      start: Uint32Array.from(this.#of(itemStart)),
      count: Uint32Array.from(this.#of(itemCount)),
      length: itemLength,
      code: (column) => coded([...(items.codes[column] as Int32Array).subarray(0, itemLength)]),
      number: (column) => items.numbers[column] as Float64Array,
    };
  }
}

/** As a chunk has them: the distinct values, and an index only where there are several. */
function coded(codes: readonly number[]): ChunkCodes {
  const values = Int32Array.from(new Set(codes));
  if (values.length <= 1) return { index: null, values };
  return { index: Uint16Array.from(codes, (code) => values.indexOf(code)), values };
}

/** Selections as if each went to a thread: as plain data. */
export class TestSelector implements EventSelector {
  readonly #inner: EventSelector;
  /** Called before each selection. */
  before: () => void = () => {};

  constructor(log: () => EventLogView) {
    this.#inner = inlineSelector(log);
  }

  plan(tenant: string, request: SelectRequest): Promise<PlanHead> {
    return this.#inner.plan(tenant, request);
  }

  displaced(...asked: Parameters<EventSelector['displaced']>): ReturnType<EventSelector['displaced']> {
    return this.#inner.displaced(...asked);
  }

  async select(tenant: string, request: SelectRequest, signal: AbortSignal): Promise<Selection> {
    this.before();
    return structuredClone(await this.#inner.select(tenant, structuredClone(request), signal));
  }
}
