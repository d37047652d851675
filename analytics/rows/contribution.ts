import { createHash } from 'node:crypto';
import type { RowBatch } from '../../engine/index.ts';
import type { ReaderColumns, RowReader } from '../../operators/index.ts';
import { ItemLines, LineGroups } from './item-lines.ts';
import { CONTRIBUTIONS, type Contribution, M, MEASURES } from './measures.ts';
import { CODE, ITEM_NUMBER, MARK, NUMBER } from './row-schema.ts';

/** Raise it when the rules of this file or of `item-lines.ts` change what a row adds. */
const RULES_VERSION = 1;
/** Bits of a code column. */
const MARK_BITS = 31;

const SOURCE_ONE = -1;
const SOURCE_UNITS = -2;
const RULES = ['whole', 'lines', 'units', 'parts'] as const;
const [WHOLE, LINES, UNITS] = [0, 1, 2] as const;

/**
 * The one meaning of a row (`CONTRIBUTIONS`), as a reader of batches: for cubes, and for scans that copy what they
 * need into a batch.
 */
export class RowContribution implements RowReader {
  readonly measures = MEASURES.length;
  readonly version = createHash('sha256')
    .update(JSON.stringify([RULES_VERSION, MEASURES, CONTRIBUTIONS]))
    .digest('hex')
    .slice(0, 16);
  readonly currency = CODE.currency;
  readonly columns: ReaderColumns;
  readonly measure = new Int32Array(CONTRIBUTIONS.length);
  readonly value = new Float64Array(CONTRIBUTIONS.length);

  /** Contributions by mark: those of bit b are [first[b], first[b + 1]). */
  readonly #first = new Int32Array(MARK_BITS + 1);
  readonly #measureOf: Int32Array;
  readonly #sourceOf: Int32Array;
  readonly #ruleOf: Int32Array;

  #marks: Int32Array = new Int32Array(0);
  #retraction: Int32Array = new Int32Array(0);
  #numbers: readonly Float64Array[] = [];
  #items: Pick<RowBatch, 'itemStart' | 'itemCount' | 'items'> | undefined;

  readonly #lines = new ItemLines();
  readonly #groups = new LineGroups();
  readonly #groupColumns: Int32Array[] = [];
  /** The row of the last `group`, and how many there were: parts of another are stale. */
  #row = 0;
  #grouped = 0;
  #groupValue = new Float64Array(64);
  #groupUnits = new Float64Array(64);
  /** Parts of the groups by contribution, where `#partsOf` is the row they were split of. */
  readonly #parts = CONTRIBUTIONS.map(() => new Float64Array(64));
  readonly #partsOf = new Float64Array(CONTRIBUTIONS.length);

  constructor() {
    const sorted: readonly Contribution[] = CONTRIBUTIONS.toSorted((a, b) => MARK[a.mark] - MARK[b.mark]);
    for (let bit = 0; bit <= MARK_BITS; bit++)
      this.#first[bit] = sorted.filter(({ mark }) => Math.log2(MARK[mark]) < bit).length;
    this.#measureOf = Int32Array.from(sorted, ({ measure }) => M[measure]);
    this.#sourceOf = Int32Array.from(sorted, ({ source }) =>
      source === 'one' ? SOURCE_ONE : source === 'units' ? SOURCE_UNITS : NUMBER[source],
    );
    this.#ruleOf = Int32Array.from(sorted, ({ byItems }) => RULES.indexOf(byItems));
    this.columns = {
      codes: [CODE.marks, CODE.retraction, CODE.currency],
      numbers: [...new Set(this.#sourceOf)].filter((column) => column >= 0).sort((a, b) => a - b),
      itemNumbers: [ITEM_NUMBER.quantity, ITEM_NUMBER.unit_price],
    };
  }

  get groupCodes(): Int32Array {
    return this.#groups.codes;
  }

  open(batch: RowBatch): void {
    this.#marks = batch.columns.codes[CODE.marks] as Int32Array;
    this.#retraction = batch.columns.codes[CODE.retraction] as Int32Array;
    this.#numbers = batch.columns.numbers;
    this.#items = batch;
  }

  read(row: number): number {
    let bits = this.#marks[row] as number;
    if (bits === 0) return 0;
    const sign = this.#retraction[row] === 1 ? -1 : 1;
    let count = 0;
    for (; bits !== 0; bits &= bits - 1) {
      const bit = 31 - Math.clz32(bits & -bits);
      const end = this.#first[bit + 1] as number;
      for (let at = this.#first[bit] as number; at < end; at++) {
        const source = this.#sourceOf[at] as number;
        let value = 1;
        if (source === SOURCE_UNITS) value = this.#units(row);
        else if (source >= 0) value = (this.#numbers[source] as Float64Array)[row] as number;
        // None is NaN.
        if (Number.isNaN(value) || value === 0) continue;
        this.measure[count] = this.#measureOf[at] as number;
        this.value[count++] = sign * value;
      }
    }
    return count;
  }

  #units(row: number): number {
    const batch = this.#items as RowBatch;
    const start = batch.itemStart[row] as number;
    const end = start + (batch.itemCount[row] as number);
    const quantity = batch.items.numbers[ITEM_NUMBER.quantity] as Float64Array;
    let units = 0;
    for (let item = start; item < end; item++) {
      const pieces = quantity[item] as number;
      if (!Number.isNaN(pieces)) units += pieces;
    }
    return units;
  }

  group(row: number, itemColumns: Int32Array): number {
    const batch = this.#items as RowBatch;
    const { codes, numbers } = batch.items;
    const first = batch.itemStart[row] as number;
    const count = batch.itemCount[row] as number;
    const lines = this.#lines;
    const quantity = numbers[ITEM_NUMBER.quantity] as Float64Array;
    lines.load(quantity, numbers[ITEM_NUMBER.unit_price] as Float64Array, first, count);
    const columns = this.#groupColumns;
    columns.length = 0;
    for (let at = 0; at < itemColumns.length; at++)
      columns.push(codes[itemColumns[at] as number] as Int32Array);
    const groups = this.#groups;
    groups.load(columns, first, count);
    if (groups.count > this.#groupValue.length) {
      this.#groupValue = new Float64Array(groups.count * 2);
      this.#groupUnits = new Float64Array(groups.count * 2);
    }
    this.#groupValue.fill(0, 0, groups.count);
    this.#groupUnits.fill(0, 0, groups.count);
    for (let line = 0; line < count; line++) {
      const group = groups.groupOf[line] as number;
      (this.#groupValue[group] as number) += lines.value[line] as number;
      (this.#groupUnits[group] as number) += lines.quantity[line] as number;
    }
    this.#row = row;
    this.#grouped++;
    return groups.count;
  }

  readGroup(group: number): number {
    const row = this.#row;
    const sign = this.#retraction[row] === 1 ? -1 : 1;
    let count = 0;
    for (let bits = this.#marks[row] as number; bits !== 0; bits &= bits - 1) {
      const bit = 31 - Math.clz32(bits & -bits);
      const end = this.#first[bit + 1] as number;
      for (let at = this.#first[bit] as number; at < end; at++) {
        const value = this.#ofGroup(at, row, group);
        if (Number.isNaN(value) || value === 0) continue;
        this.measure[count] = this.#measureOf[at] as number;
        this.value[count++] = sign * value;
      }
    }
    return count;
  }

  #ofGroup(at: number, row: number, group: number): number {
    const rule = this.#ruleOf[at] as number;
    if (rule === LINES) return this.#groupValue[group] as number;
    if (rule === UNITS) return this.#groupUnits[group] as number;
    const source = this.#sourceOf[at] as number;
    if (source === SOURCE_ONE) return 1;
    const amount = (this.#numbers[source] as Float64Array)[row] as number;
    if (rule === WHOLE || Number.isNaN(amount) || amount === 0) return amount;
    return this.#partsFor(at, amount)[group] as number;
  }

  #partsFor(at: number, amount: number): Float64Array {
    let parts = this.#parts[at] as Float64Array<ArrayBuffer>;
    if (this.#partsOf[at] === this.#grouped) return parts;
    this.#partsOf[at] = this.#grouped;
    const groups = this.#groups;
    if (groups.count > parts.length) {
      parts = new Float64Array(groups.count * 2);
      this.#parts[at] = parts;
    }
    parts.fill(0, 0, groups.count);
    const split = this.#lines.split(amount);
    for (let line = 0; line < this.#lines.count; line++)
      (parts[groups.groupOf[line] as number] as number) += split[line] as number;
    return parts;
  }
}
