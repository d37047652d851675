import { type Chunk, type ChunkItems, roomFor } from '../../engine/index.ts';
import type { DimensionColumn, DimensionFilter } from '../filters/index.ts';
import { CODE, ITEM_NUMBER } from '../rows/index.ts';
import { ItemScan } from './item-scan.ts';
import type { KpiSums } from './kpi-sums.ts';
import type { MemberRule, PlacedRule } from './measure-rules.ts';
import { addAmounts, addCounts, addObserved, addUnits, type PointRows } from './point-loops.ts';
import { RowPlacer } from './row-placer.ts';
import { acceptTable, refineRange, refineRows, WideColumn } from './row-select.ts';
import { SlotFinder, type TimeSlots } from './time-slots.ts';

/** What is added up. */
export interface ScanSpec {
  readonly groups: readonly DimensionColumn[];
  readonly filters: readonly DimensionFilter[];
  readonly measures: readonly PlacedRule[];
  /** Multisets of amounts. */
  readonly amounts: readonly PlacedRule[];
  readonly members: readonly MemberRule[];
  /**
   * The rows of these event types, whatever their marks; all rules then are of `EVERY_ROW`. Without it: the
   * rows with a mark that a rule has.
   */
  readonly types?: (code: number) => boolean;
  readonly slots: TimeSlots;
}

/** Rows of a chunk that is not whole: half-open times, sequences up to `upTo`. */
export interface RowRange {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly upTo?: number;
}

/** Adds the rows of chunks up into `sums`. */
export class RowScan {
  readonly #spec: ScanSpec;
  readonly #sums: KpiSums;
  readonly #finder: SlotFinder;
  readonly #marks: number;
  readonly #items: ItemScan | undefined;
  readonly #marksIndex = new WideColumn();
  readonly #signsIndex = new WideColumn();
  readonly #filterIndex = new WideColumn();
  readonly #placer: RowPlacer;
  #selected: PointRows & { signs: Int8Array | undefined } = emptyRows(0);
  #marked = emptyRows(0);
  #signs = new Int8Array(0);
  #itemRows = new Uint32Array(0);

  constructor(spec: ScanSpec, sums: KpiSums) {
    this.#spec = spec;
    this.#sums = sums;
    this.#finder = new SlotFinder(spec.slots);
    this.#marks = [...spec.measures, ...spec.amounts, ...spec.members].reduce(
      (marks, { mark }) => marks | mark,
      0,
    );
    const tellsItems = [...spec.groups, ...spec.filters].some(({ item }) => item >= 0);
    this.#items = tellsItems ? new ItemScan(spec, sums, this.#finder) : undefined;
    this.#placer = new RowPlacer(spec, sums, this.#finder);
  }

  scan(chunk: Chunk, range: RowRange): void {
    this.#makeRoom(chunk.rows);
    const selected = this.#selected;
    // Rows that count for something that is asked for.
    const { types } = this.#spec;
    selected.count =
      types === undefined
        ? chunk.select(CODE.marks, (marks) => (marks & this.#marks) !== 0, selected.rows)
        : chunk.select(CODE.type, types, selected.rows);
    if (selected.count === 0) return;
    if (!chunk.isWhole) this.#cut(chunk, range);
    for (const filter of this.#spec.filters) if (filter.item < 0) this.#filter(chunk, filter);
    if (selected.count === 0) return;
    const items = this.#items !== undefined && chunk.hasItems ? chunk.items() : undefined;
    const itemRows = items === undefined ? 0 : this.#parted(items);
    for (const filter of this.#spec.filters) if (filter.item >= 0) this.#filter(chunk, filter);
    if (selected.count > 0) this.#add(chunk);
    if (itemRows > 0 && items !== undefined) this.#items?.scan(chunk, items, this.#itemRows, itemRows);
  }

  #makeRoom(rows: number): void {
    if (this.#selected.rows.length < rows) this.#selected = emptyRows(roomFor(rows));
  }

  #cut(chunk: Chunk, { start_ms, end_ms, upTo }: RowRange): void {
    const selected = this.#selected;
    if (chunk.min_ms < start_ms || chunk.max_ms >= end_ms) {
      selected.count = refineRange(chunk.time_ms(), start_ms, end_ms, selected.rows, selected.count);
    }
    if (upTo !== undefined && chunk.max_sequence > upTo) {
      selected.count = refineRange(chunk.sequence(), 0, upTo + 1, selected.rows, selected.count);
    }
  }

  #filter(chunk: Chunk, { column, accepts }: DimensionFilter): void {
    const selected = this.#selected;
    if (selected.count === 0) return;
    const { index, values } = this.#filterIndex.codes(chunk.code(column), chunk.rows);
    const accept = acceptTable(values, accepts);
    if (!accept.includes(1)) selected.count = 0;
    else if (index !== undefined && accept.includes(0)) {
      selected.count = refineRows(index, accept, selected.rows, selected.count);
    }
  }

  /** Moves the selected rows that have items to `#itemRows`; returns how many. */
  #parted(items: ChunkItems): number {
    const { rows, count } = this.#selected;
    if (this.#itemRows.length < count) this.#itemRows = new Uint32Array(roomFor(count));
    let plain = 0;
    let withItems = 0;
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      if (items.count[row] === 0) rows[plain++] = row;
      else this.#itemRows[withItems++] = row;
    }
    this.#selected.count = plain;
    return withItems;
  }

  #add(chunk: Chunk): void {
    const { measures, amounts, members } = this.#spec;
    this.#placer.place(chunk, this.#selected);
    this.#signRows(chunk);
    const needed = new Set([...measures, ...amounts, ...members].map(({ mark }) => mark));
    for (const mark of needed) {
      const rows = this.#withMark(mark, chunk);
      if (rows.count === 0) continue;
      for (const rule of measures) if (rule.mark === mark) this.#addMeasure(chunk, rows, rule);
      for (const rule of amounts) if (rule.mark === mark) this.#addValues(chunk, rows, rule);
      for (const rule of members) if (rule.mark === mark) this.#addMembers(chunk, rows, rule);
    }
  }

  #signRows(chunk: Chunk): void {
    const selected = this.#selected;
    const { rows, count } = selected;
    const { index, values } = this.#signsIndex.codes(chunk.code(CODE.retraction), chunk.rows);
    selected.signs = undefined;
    if (!values.includes(1)) return;
    if (this.#signs.length < count) this.#signs = new Int8Array(roomFor(count));
    selected.signs = this.#signs;
    for (let at = 0; at < count; at++) {
      const retraction = values[index === undefined ? 0 : (index[rows[at] as number] as number)];
      this.#signs[at] = retraction === 1 ? -1 : 1;
    }
  }

  #withMark(mark: number, chunk: Chunk): PointRows {
    const selected = this.#selected;
    if (mark === this.#marks) return selected;
    const { index, values } = this.#marksIndex.codes(chunk.code(CODE.marks), chunk.rows);
    const has = acceptTable(values, (marks) => (marks & mark) !== 0);
    if (index === undefined || !has.includes(0)) return has[0] === 1 ? selected : NO_ROWS;
    if (this.#marked.rows.length < selected.count) this.#marked = emptyRows(roomFor(selected.count));
    const marked = this.#marked;
    marked.count = keepMarked(selected, index, has, marked);
    const { signs } = selected;
    marked.signs = signs === undefined ? undefined : this.#signsOf(signs, index, has);
    return marked;
  }

  #signsOf(signs: Int8Array, index: Uint32Array, has: Uint8Array): Int8Array {
    const { rows, count } = this.#selected;
    const kept = new Int8Array(count);
    let length = 0;
    for (let at = 0; at < count; at++) {
      kept[length] = signs[at] as number;
      length += has[index[rows[at] as number] as number] as number;
    }
    return kept;
  }

  #addMeasure(chunk: Chunk, rows: PointRows, { kind, column, at }: PlacedRule): void {
    const sums = this.#sums.columns[at];
    if (sums === undefined) return;
    if (kind === 'count') addCounts(rows, sums);
    else if (kind === 'amount') addAmounts(rows, chunk.number(column), sums);
    else if (kind === 'observed') addObserved(rows, chunk.number(column), sums);
    else if (chunk.hasItems) {
      const items = chunk.items();
      addUnits(rows, items, items.number(ITEM_NUMBER.quantity), sums);
    }
  }

  #addValues(chunk: Chunk, { count, rows, points, signs }: PointRows, rule: PlacedRule): void {
    const amounts = chunk.number(rule.column);
    for (let at = 0; at < count; at++) {
      const amount = amounts[rows[at] as number] as number;
      if (Number.isNaN(amount)) continue;
      this.#sums.addAmount(
        points[at] as number,
        rule.at,
        amount,
        signs === undefined ? 1 : (signs[at] as number),
      );
    }
  }

  #addMembers(chunk: Chunk, placed: PointRows, rule: MemberRule): void {
    const { count, rows, points, signs } = placed;
    const { index, hi, lo } = chunk.hash(rule.column);
    for (let at = 0; at < count; at++) {
      const local = index === null ? 0 : (index[rows[at] as number] as number);
      if (hi[local] === 0 && lo[local] === 0) continue;
      const sign = signs === undefined ? 1 : (signs[at] as number);
      this.#sums.addMember(points[at] as number, rule.at, hi[local] as number, lo[local] as number, sign);
    }
  }
}

/** Copies the rows that have the mark; returns how many. */
function keepMarked(from: PointRows, index: Uint32Array, has: Uint8Array, to: PointRows): number {
  const { rows, points, count } = from;
  const { rows: keptRows, points: keptPoints } = to;
  let kept = 0;
  for (let at = 0; at < count; at++) {
    const row = rows[at] as number;
    keptRows[kept] = row;
    keptPoints[kept] = points[at] as number;
    kept += has[index[row] as number] as number;
  }
  return kept;
}

function emptyRows(rows: number): PointRows {
  return { count: 0, rows: new Uint32Array(rows), points: new Int32Array(rows), signs: undefined };
}

const NO_ROWS: PointRows = emptyRows(0);
