import { columnIndex, type Dictionary, type LogSchema, RowBatch } from '../../../engine/index.ts';
import type { RowReader } from './row-reader.ts';

/** A row as a test writes it. */
export interface TestRow {
  readonly scope: string;
  readonly time_ms: number;
  readonly currency: string;
  readonly country: string;
  readonly channel: string;
  readonly sku: string;
  readonly amount: number;
  readonly retraction: boolean;
  readonly items: readonly (readonly [sku: string, amount: number])[];
}

const text = (name: string) => ({ name, kind: 'code', text: true }) as const;
export const SCHEMA: LogSchema = {
  columns: [
    { name: 'retraction', kind: 'code' },
    ...['currency', 'country', 'channel', 'sku'].map(text),
    { name: 'customer', kind: 'hash' },
    { name: 'amount', kind: 'number' },
  ],
  items: [text('sku'), { name: 'amount', kind: 'number' }],
  sortBy: 'customer',
  retraction: 'retraction',
};
const CODES = ['currency', 'country', 'channel', 'sku'] as const;
const RETRACTION = columnIndex(SCHEMA.columns, 'retraction');
const [CURRENCY] = CODES.map((name) => columnIndex(SCHEMA.columns, name));

/** Counts rows and adds up their amounts; a group of items has their own amounts. Nine more sums are never added to. */
export class TestReader implements RowReader {
  readonly measures = 11;
  readonly version: string;
  readonly currency = CURRENCY as number;
  readonly columns = { codes: [RETRACTION, this.currency], numbers: [0], itemNumbers: [0] };
  readonly measure = Int32Array.of(0, 10);
  readonly value = new Float64Array(2);
  groupCodes = new Int32Array(64);
  #batch: RowBatch | undefined;
  #row = 0;
  #groups: number[] = [];

  constructor(version = '1') {
    this.version = version;
  }

  open(batch: RowBatch): void {
    this.#batch = batch;
  }

  read(row: number): number {
    return this.#add(row, this.#opened.columns.numbers[0]?.[row] as number);
  }

  group(row: number): number {
    const { items, itemStart, itemCount } = this.#opened;
    const sums = new Map<number, number>();
    const first = itemStart[row] as number;
    for (let item = first; item < first + (itemCount[row] as number); item++) {
      const sku = items.codes[0]?.[item] as number;
      sums.set(sku, (sums.get(sku) ?? 0) + (items.numbers[0]?.[item] as number));
    }
    this.#row = row;
    this.#groups = [...sums.values()];
    this.groupCodes = Int32Array.from(sums.keys());
    return sums.size;
  }

  readGroup(group: number): number {
    return this.#add(this.#row, this.#groups[group] as number);
  }

  #add(row: number, amount: number): number {
    const sign = this.#opened.columns.codes[RETRACTION]?.[row] === 1 ? -1 : 1;
    this.value[0] = sign;
    this.value[1] = sign * amount;
    return 2;
  }

  get #opened(): RowBatch {
    if (this.#batch === undefined) throw new Error('open() comes first');
    return this.#batch;
  }
}

export function batchOf(rows: readonly TestRow[], dictionary: Dictionary, sequence: number): RowBatch {
  const batch = new RowBatch(SCHEMA, dictionary);
  for (const given of rows) {
    const row = batch.append();
    batch.time_ms[row] = given.time_ms;
    batch.sequence[row] = sequence;
    batch.scope[row] = dictionary.codeOf(given.scope);
    const { codes, numbers } = batch.columns;
    (codes[RETRACTION] as Int32Array)[row] = given.retraction ? 1 : 0;
    for (const name of CODES)
      (codes[columnIndex(SCHEMA.columns, name)] as Int32Array)[row] = dictionary.codeOf(given[name]);
    (numbers[0] as Float64Array)[row] = given.amount;
    batch.itemCount[row] = given.items.length;
    const first = batch.appendItems(given.items.length);
    batch.itemStart[row] = first;
    for (const [at, [sku, amount]] of given.items.entries()) {
      (batch.items.codes[0] as Int32Array)[first + at] = dictionary.codeOf(sku);
      (batch.items.numbers[0] as Float64Array)[first + at] = amount;
    }
  }
  return batch;
}
