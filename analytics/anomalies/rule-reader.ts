import { createHash } from 'node:crypto';
import type { Dictionary, RowBatch } from '../../engine/index.ts';
import type { OwnReader, ReaderColumns } from '../../operators/index.ts';
import {
  type AskedFilter,
  type DimensionFilter,
  dimensionFilter,
  isItemDimension,
} from '../filters/index.ts';
import { EVERY_ROW, type MeasureRule } from '../row-sums/index.ts';
import { CODE, FLAG, ITEM_NUMBER, ItemLines, LineGroups, NUMBER } from '../rows/index.ts';

/** What a row must be to count for a measure beside its mark: one of these types, and pass the filters. */
export interface MeasureRows {
  readonly types: ReadonlySet<string>;
  readonly filters: readonly AskedFilter[];
}

/** A measure of a rule. */
export interface RuleMeasure extends MeasureRule {
  /** Of a metric that a tenant defined. */
  readonly rows?: MeasureRows;
}

/** Raise it when the same rule adds something else for the same row. */
const READER_VERSION = 1;

/** Every column that a measure can look at; those of dimensions are named by the reader. */
export const RULE_COLUMNS: ReaderColumns = {
  codes: [CODE.marks, CODE.retraction, CODE.currency, CODE.type, CODE.flags],
  numbers: Object.values(NUMBER).sort((a, b) => a - b),
  itemNumbers: [ITEM_NUMBER.quantity, ITEM_NUMBER.unit_price],
};

/** Whether a row's own columns pass. */
type RowTest = (batch: RowBatch, row: number) => boolean;

function testOf(filters: readonly DimensionFilter[]): RowTest {
  return (batch, row) => {
    for (const { column, accepts } of filters)
      if (!accepts((batch.columns.codes[column] as Int32Array)[row] as number)) return false;
    return true;
  };
}

/** What a row adds to the sums of one rule: its measures, of the rows that pass its filters. */
export class RuleReader implements OwnReader {
  readonly measures: number;
  readonly version: string;
  readonly currency = CODE.currency;
  readonly columns = RULE_COLUMNS;
  readonly texts: readonly string[];
  readonly measure: Int32Array;
  readonly value: Float64Array;
  readonly #rules: readonly RuleMeasure[];
  readonly #filters: readonly AskedFilter[];
  readonly #custom: readonly string[];
  #dictionary: Dictionary | undefined;
  #passes: RowTest = () => true;
  #countsFor: readonly RowTest[] = [];
  #batch: RowBatch | undefined;
  readonly #lines = new ItemLines();
  readonly #groups = new LineGroups();
  #row = 0;

  constructor(rules: readonly RuleMeasure[], filters: readonly AskedFilter[], custom: readonly string[]) {
    this.#rules = rules;
    this.#filters = filters;
    this.#custom = custom;
    this.measures = rules.length;
    this.measure = new Int32Array(rules.length);
    this.value = new Float64Array(rules.length);
    const named = [...filters, ...rules.flatMap(({ rows }) => rows?.filters ?? [])];
    this.texts = [...new Set(named.map(({ dimension }) => dimension))];
    const said = [
      rules.map(({ rows, ...rule }) => [rule, [...(rows?.types ?? [])], plain(rows?.filters ?? [])]),
    ];
    this.version = createHash('sha256')
      .update(JSON.stringify([READER_VERSION, said, plain(filters)]))
      .digest('hex')
      .slice(0, 16);
  }

  get groupCodes(): Int32Array {
    return this.#groups.codes;
  }

  open(batch: RowBatch): void {
    this.#batch = batch;
    if (this.#dictionary === batch.dictionary) return;
    this.#dictionary = batch.dictionary;
    const { dictionary } = batch;
    const compiled = (filters: readonly AskedFilter[]): RowTest =>
      testOf(filters.map((filter) => dimensionFilter(filter, this.#custom, dictionary)));
    this.#passes = compiled(this.#filters);
    this.#countsFor = this.#rules.map(({ rows }) => {
      if (rows === undefined) return () => true;
      const type = { dimension: 'type', not: false, values: rows.types };
      return compiled([type, ...rows.filters]);
    });
  }

  read(row: number): number {
    const batch = this.#batch as RowBatch;
    if (!this.#passes(batch, row)) return 0;
    let count = 0;
    for (let at = 0; at < this.#rules.length; at++) {
      if (!this.#counts(batch, row, at)) continue;
      const value = this.#whole(batch, row, this.#rules[at] as RuleMeasure);
      if (Number.isNaN(value) || value === 0) continue;
      this.measure[count] = at;
      this.value[count++] = signOf(batch, row) * value;
    }
    return count;
  }

  #counts(batch: RowBatch, row: number, at: number): boolean {
    const { mark } = this.#rules[at] as RuleMeasure;
    const marks = (batch.columns.codes[CODE.marks] as Int32Array)[row] as number;
    return (mark === EVERY_ROW || (marks & mark) !== 0) && (this.#countsFor[at] as RowTest)(batch, row);
  }

  #whole(batch: RowBatch, row: number, { kind, column }: RuleMeasure): number {
    if (kind === 'count') return 1;
    if (kind === 'units') return unitsOf(batch, row);
    const amount = (batch.columns.numbers[column] as Float64Array)[row] as number;
    return kind === 'amount' ? amount : Number.isNaN(amount) ? 0 : 1;
  }

  group(row: number, itemColumns: Int32Array): number {
    const { items, itemStart, itemCount } = this.#batch as RowBatch;
    const [first, count] = [itemStart[row] as number, itemCount[row] as number];
    const [quantity, unitPrice] = [
      items.numbers[ITEM_NUMBER.quantity],
      items.numbers[ITEM_NUMBER.unit_price],
    ];
    this.#lines.load(quantity as Float64Array, unitPrice as Float64Array, first, count);
    const columns = Array.from(itemColumns, (column) => items.codes[column] as Int32Array);
    this.#groups.load(columns, first, count);
    this.#row = row;
    return this.#groups.count;
  }

  readGroup(group: number): number {
    const batch = this.#batch as RowBatch;
    const row = this.#row;
    if (!this.#passes(batch, row)) return 0;
    let count = 0;
    for (let at = 0; at < this.#rules.length; at++) {
      if (!this.#counts(batch, row, at)) continue;
      const value = this.#ofGroup(batch, row, this.#rules[at] as RuleMeasure, group);
      if (Number.isNaN(value) || value === 0) continue;
      this.measure[count] = at;
      this.value[count++] = signOf(batch, row) * value;
    }
    return count;
  }

  #ofGroup(batch: RowBatch, row: number, rule: RuleMeasure, group: number): number {
    if (rule.byItems === 'lines') return this.#sumOf(this.#lines.value, group);
    if (rule.byItems === 'units') return this.#sumOf(this.#lines.quantity, group);
    const amount = this.#whole(batch, row, rule);
    if (rule.kind !== 'amount' || rule.byItems === 'whole' || Number.isNaN(amount)) return amount;
    return amount === 0 ? 0 : this.#sumOf(this.#lines.split(amount), group);
  }

  #sumOf(values: Float64Array, group: number): number {
    let sum = 0;
    for (let line = 0; line < this.#lines.count; line++)
      if (this.#groups.groupOf[line] === group) sum += values[line] as number;
    return sum;
  }
}

/** Counts events: each has one row that is its own, which only a correction of the event takes back. */
export class PulseReader implements OwnReader {
  readonly measures = 1;
  readonly version = 'events-2';
  readonly currency = CODE.currency;
  readonly columns = RULE_COLUMNS;
  readonly texts: readonly string[] = [];
  readonly measure = new Int32Array(1);
  readonly value = Float64Array.of(1);
  readonly groupCodes = new Int32Array(0);
  #flags: Int32Array = new Int32Array(0);
  #retraction: Int32Array = new Int32Array(0);

  open(batch: RowBatch): void {
    this.#flags = batch.columns.codes[CODE.flags] as Int32Array;
    this.#retraction = batch.columns.codes[CODE.retraction] as Int32Array;
  }

  read(row: number): number {
    if (((this.#flags[row] as number) & (FLAG.original | FLAG.displaced)) === 0) return 0;
    this.value[0] = this.#retraction[row] === 1 ? -1 : 1;
    return 1;
  }

  group(): number {
    return 0;
  }

  readGroup(): number {
    return 0;
  }
}

const signOf = (batch: RowBatch, row: number): number =>
  (batch.columns.codes[CODE.retraction] as Int32Array)[row] === 1 ? -1 : 1;

function unitsOf(batch: RowBatch, row: number): number {
  const quantity = batch.items.numbers[ITEM_NUMBER.quantity] as Float64Array;
  const start = batch.itemStart[row] as number;
  let units = 0;
  for (let item = start; item < start + (batch.itemCount[row] as number); item++) {
    const pieces = quantity[item] as number;
    if (!Number.isNaN(pieces)) units += pieces;
  }
  return units;
}

const plain = (filters: readonly AskedFilter[]): unknown =>
  filters.map(({ dimension, not, values }) => [dimension, not, [...values].sort()]);

/** Dimensions of items, by which a rule can group and not filter. */
export const isFilteredByItems = (filters: readonly AskedFilter[]): boolean =>
  filters.some(({ dimension }) => isItemDimension(dimension));
