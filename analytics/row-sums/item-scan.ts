import type { Chunk, ChunkCodes, ChunkHashes, ChunkItems } from '../../engine/index.ts';
import { CODE, ITEM_NUMBER, ItemLines } from '../rows/index.ts';
import type { KpiSums } from './kpi-sums.ts';
import { EVERY_ROW, type MeasureRule, type MemberRule } from './measure-rules.ts';
import type { ScanSpec } from './row-scan.ts';
import type { SlotFinder } from './time-slots.ts';

/**
 * Adds rows with items up, where a query tells items apart by sku or category: the lines of a row that the item
 * filters accept, grouped by the item dimensions that the query groups by.
 */
export class ItemScan {
  readonly #spec: ScanSpec;
  readonly #sums: KpiSums;
  readonly #finder: SlotFinder;
  readonly #tuple: Int32Array;
  readonly #lines = new ItemLines();
  /** The group of each line of a row; -1: not asked for. */
  #lineGroups = new Int32Array(64);
  /** Of a row's groups: the series, and the sum that is being added. */
  #groupSeries = new Int32Array(64);
  #groupSums = new Float64Array(64);
  /** By series: the row that saw it last, and its group there. */
  #seenBy = new Int32Array(64);
  #groupOf = new Int32Array(64);
  /** Number of the row being added, of all that were. */
  #row = 0;

  constructor(spec: ScanSpec, sums: KpiSums, finder: SlotFinder) {
    this.#spec = spec;
    this.#sums = sums;
    this.#finder = finder;
    this.#tuple = new Int32Array(spec.groups.length);
  }

  scan(chunk: Chunk, items: ChunkItems, rows: Uint32Array, count: number): void {
    const columns = this.#columnsOf(chunk, items);
    const times = this.#sums.shape.slots === 1 ? undefined : chunk.time_ms();
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      const groups = this.#groupLines(columns, items, row);
      if (groups === 0) continue;
      const slot = times === undefined ? 0 : this.#finder.slotAt(times[row] as number);
      this.#addRow(columns, items.count[row] as number, groups, row, slot);
    }
  }

  #columnsOf(chunk: Chunk, items: ChunkItems): Columns {
    const { groups, filters, measures, amounts, members, types } = this.#spec;
    const numbers = new Map<number, Float64Array>();
    for (const { column } of [...measures, ...amounts]) {
      if (column >= 0 && !numbers.has(column)) numbers.set(column, chunk.number(column));
    }
    return {
      marks: types === undefined ? chunk.code(CODE.marks) : undefined,
      retraction: chunk.code(CODE.retraction),
      groups: groups.map(({ column, item }) => (item < 0 ? chunk.code(column) : items.code(item))),
      filters: filters
        .filter(({ item }) => item >= 0)
        .map(({ item, accepts }) => ({ codes: items.code(item), accepts })),
      quantity: items.number(ITEM_NUMBER.quantity),
      unitPrice: items.number(ITEM_NUMBER.unit_price),
      numbers,
      members: members.map((rule) => ({ rule, words: chunk.hash(rule.column) })),
    };
  }

  /** Puts the row's accepted lines into groups; returns how many groups. */
  #groupLines(columns: Columns, items: ChunkItems, row: number): number {
    const first = items.start[row] as number;
    const lines = items.count[row] as number;
    if (lines > this.#lineGroups.length) this.#growLines(lines);
    this.#lines.load(columns.quantity, columns.unitPrice, first, lines);
    this.#row++;
    const specs = this.#spec.groups;
    for (let at = 0; at < specs.length; at++) {
      if ((specs[at]?.item as number) < 0) this.#tuple[at] = codeAt(columns.groups[at] as ChunkCodes, row);
    }
    let groups = 0;
    for (let line = 0; line < lines; line++) {
      const item = first + line;
      this.#lineGroups[line] = -1;
      if (!isAccepted(columns, item)) continue;
      for (let at = 0; at < specs.length; at++) {
        if ((specs[at]?.item as number) >= 0)
          this.#tuple[at] = codeAt(columns.groups[at] as ChunkCodes, item);
      }
      const series = this.#sums.series.find(this.#tuple);
      if (series >= this.#seenBy.length) this.#growSeries(series);
      if (this.#seenBy[series] !== this.#row) {
        this.#seenBy[series] = this.#row;
        this.#groupOf[series] = groups;
        this.#groupSeries[groups++] = series;
      }
      this.#lineGroups[line] = this.#groupOf[series] as number;
    }
    this.#sums.reserve();
    return groups;
  }

  #addRow(columns: Columns, lines: number, groups: number, row: number, slot: number): void {
    const { measures, amounts } = this.#spec;
    const marks = columns.marks === undefined ? EVERY_ROW : codeAt(columns.marks, row);
    const sign = codeAt(columns.retraction, row) === 1 ? -1 : 1;
    for (const rule of measures) {
      if ((marks & rule.mark) === 0 || !this.#sumGroups(columns, rule, lines, groups, row)) continue;
      for (let group = 0; group < groups; group++) {
        const sum = (rule.kind === 'observed' ? 1 : (this.#groupSums[group] as number)) * sign;
        if (sum !== 0) this.#sums.columns[rule.at]?.add(this.#pointOf(group, slot), sum);
      }
    }
    for (const rule of amounts) {
      if ((marks & rule.mark) === 0 || !this.#sumGroups(columns, rule, lines, groups, row)) continue;
      for (let group = 0; group < groups; group++) {
        // Plus 0: a part of -0 is 0.
        this.#sums.addAmount(
          this.#pointOf(group, slot),
          rule.at,
          (this.#groupSums[group] as number) + 0,
          sign,
        );
      }
    }
    for (const { rule, words } of columns.members) {
      if ((marks & rule.mark) !== 0) this.#addMember(words, rule.at, groups, row, slot, sign);
    }
  }

  #pointOf(group: number, slot: number): number {
    return (this.#groupSeries[group] as number) * this.#sums.shape.slots + slot;
  }

  /** What each group takes of a measure, in `#groupSums`; false where the row has no such amount. */
  #sumGroups(columns: Columns, rule: MeasureRule, lines: number, groups: number, row: number): boolean {
    if (rule.byItems === 'whole') {
      const amount = rule.kind === 'count' ? 1 : (columns.numbers.get(rule.column)?.[row] ?? 0);
      if (Number.isNaN(amount)) return false;
      this.#groupSums.fill(amount, 0, groups);
      return true;
    }
    let parts: Float64Array = rule.byItems === 'units' ? this.#lines.quantity : this.#lines.value;
    if (rule.byItems === 'parts') {
      const amount = columns.numbers.get(rule.column)?.[row] ?? Number.NaN;
      if (Number.isNaN(amount)) return false;
      parts = this.#lines.split(amount);
    }
    this.#groupSums.fill(0, 0, groups);
    for (let line = 0; line < lines; line++) {
      const group = this.#lineGroups[line] as number;
      if (group >= 0) (this.#groupSums[group] as number) += parts[line] as number;
    }
    return true;
  }

  #addMember(words: ChunkHashes, at: number, groups: number, row: number, slot: number, sign: number): void {
    const local = words.index === null ? 0 : (words.index[row] as number);
    const hi = words.hi[local] as number;
    const lo = words.lo[local] as number;
    if (hi === 0 && lo === 0) return;
    for (let group = 0; group < groups; group++)
      this.#sums.addMember(this.#pointOf(group, slot), at, hi, lo, sign);
  }

  #growLines(lines: number): void {
    const size = lines * 2;
    this.#lineGroups = new Int32Array(size);
    this.#groupSeries = new Int32Array(size);
    this.#groupSums = new Float64Array(size);
  }

  #growSeries(series: number): void {
    const seenBy = new Int32Array((series + 1) * 2);
    seenBy.set(this.#seenBy);
    this.#seenBy = seenBy;
    const groupOf = new Int32Array(seenBy.length);
    groupOf.set(this.#groupOf);
    this.#groupOf = groupOf;
  }
}

/** The columns of one chunk that are read. */
interface Columns {
  /** Undefined where every row counts. */
  readonly marks: ChunkCodes | undefined;
  readonly retraction: ChunkCodes;
  /** Of rows, or of items where the group is one of items. */
  readonly groups: readonly ChunkCodes[];
  readonly filters: readonly { readonly codes: ChunkCodes; readonly accepts: (code: number) => boolean }[];
  readonly quantity: Float64Array;
  readonly unitPrice: Float64Array;
  readonly numbers: ReadonlyMap<number, Float64Array>;
  readonly members: readonly { readonly rule: MemberRule; readonly words: ChunkHashes }[];
}

function codeAt({ index, values }: ChunkCodes, at: number): number {
  return values[index === null ? 0 : (index[at] as number)] as number;
}

function isAccepted({ filters }: Columns, item: number): boolean {
  for (const { codes, accepts } of filters) if (!accepts(codeAt(codes, item))) return false;
  return true;
}
