import { MillraceError } from '../base/index.ts';
import { type Chunk, Dictionary, type HashColumn, type LogSchema, RowBatch } from '../columns/index.ts';
import type { KvStore, KvView } from '../state/index.ts';
import { type LogLimits, LogWriter } from './log-writer.ts';
import { planScan, scanChunks, selectRows } from './scan.ts';
import type { LogView, ScanRequest } from './scan-types.ts';
import type { LogTables } from './segment-merge.ts';

/** A small schema with a column of each kind. */
export const SCHEMA: LogSchema = {
  columns: [
    { name: 'retraction', kind: 'code' },
    { name: 'country', kind: 'code', text: true },
    { name: 'mask', kind: 'code' },
    { name: 'customer', kind: 'hash' },
    { name: 'amount', kind: 'number' },
    { name: 'origin', kind: 'number', provenance: true },
  ],
  items: [
    { name: 'sku', kind: 'code', text: true },
    { name: 'quantity', kind: 'number' },
  ],
  sortBy: 'customer',
  retraction: 'retraction',
};

export interface Item {
  readonly sku: string;
  readonly quantity: number;
}

export interface Row {
  readonly scope: string;
  readonly time_ms: number;
  readonly sequence: number;
  readonly part: number;
  readonly retraction: boolean;
  readonly country: string;
  readonly mask: number;
  readonly customer: readonly [number, number];
  readonly amount: number;
  readonly origin: number;
  readonly items: readonly Item[];
}

/** Small limits: everything that happens to millions of rows happens to a few. */
export const SMALL: Partial<LogLimits> = {
  fanout: 3,
  sealed_min_rows: 40,
  segment_max_rows: 80,
  sort_min_rows: 8,
  merge_max_rows: 30,
};

/** As rows of a batch; rows with one list of items share it. */
export function fillBatch(batch: RowBatch, rows: readonly Row[]): RowBatch {
  const { dictionary, columns, items } = batch;
  const starts = new Map<readonly Item[], number>();
  for (const each of rows) {
    const row = batch.append();
    batch.time_ms[row] = each.time_ms;
    batch.sequence[row] = each.sequence;
    batch.part[row] = each.part;
    batch.scope[row] = dictionary.codeOf(each.scope);
    (columns.codes[0] as Int32Array)[row] = each.retraction ? 1 : 0;
    (columns.codes[1] as Int32Array)[row] = dictionary.codeOf(each.country);
    (columns.codes[2] as Int32Array)[row] = each.mask;
    (columns.hashes[0] as HashColumn).hi[row] = each.customer[0];
    (columns.hashes[0] as HashColumn).lo[row] = each.customer[1];
    (columns.numbers[0] as Float64Array)[row] = each.amount;
    (columns.numbers[1] as Float64Array)[row] = each.origin;
    let start = starts.get(each.items);
    if (start === undefined) {
      start = batch.appendItems(each.items.length);
      starts.set(each.items, start);
      for (const [index, { sku, quantity }] of each.items.entries()) {
        (items.codes[0] as Int32Array)[start + index] = dictionary.codeOf(sku);
        (items.numbers[0] as Float64Array)[start + index] = quantity;
      }
    }
    batch.itemStart[row] = start;
    batch.itemCount[row] = each.items.length;
  }
  return batch;
}

/** Row `row` of a chunk, every column read. */
export function rowOf(chunk: Chunk, row: number, scope: string, dictionary: Dictionary): Row {
  const code = (column: number): number => {
    const { index, values } = chunk.code(column);
    return values[index === null ? 0 : (index[row] as number)] as number;
  };
  const { index, hi, lo } = chunk.hash(0);
  const at = index === null ? 0 : (index[row] as number);
  const items: Item[] = [];
  if (chunk.hasItems) {
    const all = chunk.items();
    const skus = all.code(0);
    const start = all.start[row] as number;
    for (let item = start; item < start + (all.count[row] as number); item++) {
      const sku = skus.values[skus.index === null ? 0 : (skus.index[item] as number)] as number;
      items.push({ sku: dictionary.textOf(sku), quantity: all.number(0)[item] as number });
    }
  }
  return {
    scope,
    time_ms: chunk.time_ms()[row] as number,
    sequence: chunk.sequence()[row] as number,
    part: chunk.part()[row] as number,
    retraction: code(0) === 1,
    country: dictionary.textOf(code(1)),
    mask: code(2),
    customer: [hi[at] as number, lo[at] as number],
    amount: chunk.number(0)[row] as number,
    origin: chunk.number(1)[row] as number,
    items,
  };
}

export function scanRows(
  view: LogView,
  request: ScanRequest,
  dictionary: Dictionary,
  schema: LogSchema = SCHEMA,
): Row[] {
  const found: Row[] = [];
  const plan = planScan(view, request);
  scanChunks(view, plan, schema, (chunk) => {
    const selected = new Uint32Array(chunk.rows);
    const count = selectRows(chunk, plan.request, selected);
    for (let at = 0; at < count; at++)
      found.push(rowOf(chunk, selected[at] as number, request.scope, dictionary));
  });
  return found;
}

const exact = (_name: string, value: unknown): unknown => (typeof value === 'number' ? String(value) : value);

/** Rows in any order and of any making as one list that can be compared. */
export function sorted(rows: readonly Row[]): string[] {
  return rows
    .map((row) =>
      JSON.stringify(
        Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)),
        exact,
      ),
    )
    .sort();
}

/** A log on a store, with what a commit of a task does around it. */
export class LogUnderTest {
  store: KvStore;
  readonly dictionary = new Dictionary();
  readonly #schema: LogSchema;
  readonly #limits: Partial<LogLimits>;
  #batch: RowBatch;
  writer: LogWriter;

  constructor(store: KvStore, limits: Partial<LogLimits> = SMALL, schema: LogSchema = SCHEMA) {
    this.store = store;
    this.#limits = limits;
    this.#schema = schema;
    this.#batch = new RowBatch(schema, this.dictionary);
    this.writer = new LogWriter(this.tables, schema, limits);
  }

  get tables(): LogTables {
    return { segments: this.store.table('log/segments'), chunks: this.store.table('log/chunks') };
  }

  append(rows: readonly Row[]): void {
    this.writer.append(fillBatch(this.#batch, rows));
    // Who takes a batch must not keep it.
    this.#batch.clear();
  }

  commit() {
    return this.store.transaction(() => this.writer.commit(this.tables));
  }

  /** A commit that is written and then not committed, as when the process dies. */
  crash(): void {
    const work = (): void => {
      this.writer.commit(this.tables);
      throw new MillraceError('crash', 'crash');
    };
    try {
      this.store.transaction(work);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'crash') throw error;
    }
    this.restart();
  }

  restart(store: KvStore = this.store): void {
    this.store = store;
    this.#batch = new RowBatch(this.#schema, this.dictionary);
    this.writer = new LogWriter(this.tables, this.#schema, this.#limits);
  }
}

export function viewOf(table: (name: string) => KvView): LogView {
  return { segments: table('log/segments'), chunks: table('log/chunks') };
}
