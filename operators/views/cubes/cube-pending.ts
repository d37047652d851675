import {
  addExact,
  distinctOf,
  distributionOf,
  EMPTY_DISTINCT,
  type ExactSum,
} from '../../aggregates/index.ts';
import { type CellDetail, emptyDetail, mergeDetail } from './cube-cell.ts';
import { type Combination, DeltaReader } from './cube-delta.ts';
import { DeltaTable, SPILL } from './delta-table.ts';

const INITIAL_CELLS = 256;
/** In place of a distribution, for members. */
const MEMBER = -1;

/** Numbers for combinations of a unit and values. */
export class Combinations {
  readonly #numbers = new Map<string, number>();
  readonly #list: Combination[] = [];

  /** The number of a combination; a new one where it is not known. */
  numberOf(combination: Combination): number {
    const key = keyOf(combination);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#list.push(combination) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }

  /** The number of a known combination, or -1. */
  find(combination: Combination): number {
    return this.#numbers.get(keyOf(combination)) ?? -1;
  }

  at(number: number): Combination {
    return this.#list[number] as Combination;
  }
}

function keyOf({ unit, values }: Combination): string {
  // Lengths keep apart what holds the separator itself.
  let key = `${unit.length} ${unit}`;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string;
    key += ` ${value.length} ${value}`;
  }
  return key;
}

/**
 * What delta rows add to the cells of one cube, by combination and bucket: sums dense, observations as
 * lists until `detail` asks for what they add up to. Cells are numbered from 0 in the order they came.
 */
export class PendingCells {
  readonly #combinations: Combinations;
  readonly #measures: number;
  readonly #table: DeltaTable;
  readonly #buckets: number[] = [];
  readonly #bucketNumbers = new Map<number, number>();
  #lastBucket_ms = -1;
  #lastBucketNumber = -1;
  /** Exact sums that left their doubles, by place in the table's. */
  readonly #spilled = new Map<number, ExactSum>();
  readonly #kinds: number[] = [];
  readonly #values: number[] = [];
  readonly #details: (CellDetail | undefined)[] = [];
  /** Of the cell in hand. */
  readonly #row: ExactSum[];

  constructor(combinations: Combinations, measures: number) {
    this.#combinations = combinations;
    this.#measures = measures;
    this.#row = new Array<ExactSum>(measures).fill(0);
    this.#table = new DeltaTable(measures, INITIAL_CELLS);
  }

  get count(): number {
    return this.#table.count;
  }

  /**
   * Adds what a row of the `recent` table holds, each entry to the cell whose bucket `place` says; an entry
   * is left out where that is undefined.
   */
  static addDelta(
    bytes: Uint8Array,
    dimensions: number,
    combinations: Combinations,
    measures: number,
    place: (bucket_ms: number) => { readonly cells: PendingCells; readonly bucket_ms: number } | undefined,
  ): void {
    const delta = new DeltaReader(bytes, dimensions);
    const numbers = Int32Array.from(delta.combinations, (combination) => combinations.numberOf(combination));
    const slots = Int32Array.from({ length: measures }, (_, measure) => measure);
    delta.visitSums(slots, new Array<ExactSum>(measures).fill(0), (at, entry_ms, sums) => {
      const to = place(entry_ms);
      to?.cells.add(numbers[at] as number, to.bucket_ms, sums);
    });
    const observe = (at: number, entry_ms: number, kind: number, value: number): void => {
      const to = place(entry_ms);
      if (to !== undefined) to.cells.#observe(numbers[at] as number, to.bucket_ms, kind, value);
    };
    delta.visitDetails({
      observed: observe,
      member: (at, entry_ms, hash) => observe(at, entry_ms, MEMBER, hash),
    });
  }

  #cell(combination: number, bucket_ms: number): number {
    if (bucket_ms !== this.#lastBucket_ms) {
      let number = this.#bucketNumbers.get(bucket_ms);
      if (number === undefined) {
        number = this.#buckets.push(bucket_ms) - 1;
        this.#bucketNumbers.set(bucket_ms, number);
      }
      this.#lastBucket_ms = bucket_ms;
      this.#lastBucketNumber = number;
    }
    return this.#table.slot(this.#lastBucketNumber, 0, combination, 0);
  }

  /** Adds sums, by measure, to a cell. */
  add(combination: number, bucket_ms: number, added: readonly ExactSum[]): number {
    const cell = this.#cell(combination, bucket_ms);
    const { sums } = this.#table;
    const base = cell * this.#measures;
    for (let measure = 0; measure < added.length; measure++) {
      const value = added[measure] as ExactSum;
      if (value === 0) continue;
      const at = base + measure;
      const sum = typeof value === 'number' ? (sums[at] as number) + value : SPILL;
      if (sum < SPILL && sum > -SPILL) sums[at] = sum;
      else {
        this.#spilled.set(at, addExact(this.#spilled.get(at) ?? 0, addExact(value, sums[at] as number)));
        sums[at] = 0;
      }
    }
    return cell;
  }

  #observe(combination: number, bucket_ms: number, kind: number, value: number): void {
    const cell = this.#cell(combination, bucket_ms);
    this.#kinds.push(kind);
    this.#table.link(cell, this.#values.push(value) - 1);
  }

  /** Adds a cell of another table to the one of a combination and bucket. */
  addCell(from: PendingCells, cell: number, combination: number, bucket_ms: number): void {
    const to = this.add(combination, bucket_ms, from.sumsInto(cell, this.#row));
    const detail = from.detail(cell);
    if (detail === undefined) return;
    const mine = this.#details[to] ?? emptyDetail();
    mergeDetail(mine, detail);
    this.#details[to] = mine;
  }

  /** The number of a cell, or -1. */
  find(combination: number, bucket_ms: number): number {
    const bucket = this.#bucketNumbers.get(bucket_ms);
    return bucket === undefined || combination < 0 ? -1 : this.#table.find(bucket, 0, combination, 0);
  }

  bucket_ms(cell: number): number {
    return this.#buckets[this.#table.frame(cell)] as number;
  }

  combination(cell: number): number {
    return this.#table.first(cell);
  }

  /** A new array of the cell's sums, by measure. */
  sums(cell: number): ExactSum[] {
    return this.sumsInto(cell, new Array<ExactSum>(this.#measures).fill(0));
  }

  /** Writes the cell's sums, by measure, to `out`, and returns it. */
  sumsInto(cell: number, out: ExactSum[]): ExactSum[] {
    const { sums } = this.#table;
    const base = cell * this.#measures;
    for (let measure = 0; measure < this.#measures; measure++) out[measure] = sums[base + measure] as number;
    if (this.#spilled.size > 0) {
      for (let measure = 0; measure < this.#measures; measure++) {
        const spilled = this.#spilled.get(base + measure);
        if (spilled !== undefined) out[measure] = addExact(out[measure] as ExactSum, spilled);
      }
    }
    return out;
  }

  /** What the cell's observations add up to; undefined where there are none. Not to be changed. */
  detail(cell: number): CellDetail | undefined {
    const table = this.#table;
    const known = this.#details[cell];
    if (table.firstLink(cell) < 0) return known;
    const lists: (number[] | undefined)[] = [];
    const members: number[] = [];
    for (let link = table.firstLink(cell); link >= 0; link = table.nextLink(link)) {
      const at = table.linked(link);
      const kind = this.#kinds[at] as number;
      const value = this.#values[at] as number;
      if (kind === MEMBER) members.push(value);
      else {
        const list = lists[kind] ?? [];
        lists[kind] = list;
        list.push(value);
      }
    }
    table.unlink(cell);
    const detail: CellDetail = {
      distributions: Array.from(lists, (list) => (list === undefined ? undefined : distributionOf(list))),
      distinct: members.length === 0 ? EMPTY_DISTINCT : distinctOf(members),
    };
    if (known !== undefined) mergeDetail(detail, known);
    this.#details[cell] = detail;
    return detail;
  }
}
