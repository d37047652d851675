import { ByteReader, ByteWriter, invariant, type KvTable } from '../engine/index.ts';
import {
  type Cell,
  type CellDetail,
  emptyCell,
  emptyDetail,
  INLINE_DETAIL_BYTES,
  mergeDetail,
  MINUTE_MS,
  readCell,
  readDetail,
  writeCell,
  writeDetail,
} from './cube-cell.ts';
import { cardinalityKey } from './cube-read.ts';
import { type CubeDefinition, type CubeRow, type Granularity, OTHER } from './cube-types.ts';
import { DeltaTable, SPILL } from './delta-table.ts';
import { distinctOf } from './distinct.ts';
import { addExact } from './exact-sum.ts';
import { distributionOf } from './sketch.ts';

const DAY_MS = 86_400_000;
const NO_CODE = -1;
/** Dictionaries are emptied after a commit when they hold more values than this, all dimensions together. */
const DICTIONARY_LIMIT = 1_000_000;
/** A single value this large takes the exact way at once: twice it still fits a safe integer. */
const LARGE = 2 ** 51;

interface WriterConfig {
  readonly cubes: readonly CubeDefinition[];
  readonly dimensions: readonly string[];
  readonly granularities: readonly Granularity[];
  readonly measures: number;
  readonly distributions: number;
  readonly cells_per_day: number;
}

interface WriterState {
  readonly cells: KvTable;
  readonly details: KvTable;
  readonly cardinality: KvTable;
}

/** A scope, a unit and a bucket: what the cells of a row share. */
interface Frame {
  readonly scope: string;
  readonly unit: string;
  readonly bucket_ms: number;
  /** Bucket key bytes by cube, made when first needed. */
  readonly prefixes: (Uint8Array | undefined)[];
}

interface FrameList {
  readonly byKey: Map<string, Map<number, number>>;
  readonly list: Frame[];
}

/** Indexes of a cube's dimensions in a row, -1 where it has fewer than two; those beyond two are joined. */
interface Pair {
  readonly first: number;
  readonly second: number;
  readonly rest: readonly number[];
}

interface DayCount {
  cells: number;
  other_rows: number;
  changed: boolean;
}

/** Gathers the rows between two commits and merges them into the stored cells. */
export class CubeWriter {
  readonly #config: WriterConfig;
  readonly #state: WriterState;
  readonly #levels: DeltaTable[];
  readonly #frames: FrameList[];
  readonly #codes: Map<string, number>[];
  readonly #values: string[][];
  readonly #pairs: Pair[];
  readonly #joined = new Map<string, number>();
  #observing: CubeRow[] = [];
  readonly #spilled = new Map<string, bigint>();
  #lastFrame = { scope: '', unit: '', minute: -1, frame: -1 };
  readonly #days = new Map<string, DayCount>();
  readonly #known = new Map<string, { scope: string; cube: string }>();
  readonly #keyWriter = new ByteWriter();
  readonly #cellWriter = new ByteWriter();
  readonly #detailWriter = new ByteWriter();

  constructor(config: WriterConfig, state: WriterState) {
    this.#config = config;
    this.#state = state;
    this.#levels = config.granularities.map(() => new DeltaTable(config.measures));
    this.#frames = config.granularities.map(() => ({ byKey: new Map(), list: [] }));
    this.#codes = config.dimensions.map(() => new Map());
    this.#values = config.dimensions.map(() => []);
    this.#pairs = config.cubes.map(({ dimensions }) => {
      const [first = NO_CODE, second = NO_CODE, ...rest] = dimensions.map((name) => config.dimensions.indexOf(name));
      return { first, second, rest };
    });
    for (const { key } of state.cardinality.scan()) {
      const reader = new ByteReader(key);
      this.#know(reader.orderedString(), reader.orderedString());
    }
  }

  /** Touched cells of the finest granularity. */
  get touched(): number {
    return (this.#levels[0] as DeltaTable).count;
  }

  get dictionaryValues(): number {
    return this.#values.reduce((sum, values) => sum + values.length, 0);
  }

  knownCubes(): readonly { readonly scope: string; readonly cube: string }[] {
    return [...this.#known.values()];
  }

  #know(scope: string, cube: string): void {
    this.#known.set(`${scope}\0${cube}`, { scope, cube });
  }

  add(row: CubeRow): void {
    const level = this.#levels[0] as DeltaTable;
    const frame = this.#rowFrame(row);
    const { cubes, measures } = this.#config;
    const { sums, mask } = row;
    let observing = NO_CODE;
    if (row.observed.length > 0 || row.member >= 0) observing = this.#observing.push(row) - 1;
    for (let cube = 0; cube < cubes.length; cube++) {
      if (((cubes[cube] as CubeDefinition).mask & mask) === 0) continue;
      const pair = this.#pairs[cube] as Pair;
      const first = pair.first < 0 ? NO_CODE : this.#code(pair.first, row.dimensions[pair.first] as string);
      let second = pair.second < 0 ? NO_CODE : this.#code(pair.second, row.dimensions[pair.second] as string);
      if (pair.rest.length > 0) second = this.#join(second, pair, row);
      const slot = level.slot(frame, cube, first, second);
      const accumulators = level.sums;
      const base = slot * measures;
      for (let index = 0; index < sums.length; index += 2) {
        const measure = sums[index] as number;
        const value = sums[index + 1] as number;
        const sum = (accumulators[base + measure] as number) + value;
        if (value < LARGE && value > -LARGE && sum < SPILL && sum > -SPILL) accumulators[base + measure] = sum;
        else this.#spill(slot, measure, value);
      }
      level.countRows(slot, 1);
      if (observing >= 0) level.link(slot, observing);
    }
  }

  /** Moves what an accumulator holds, and a value that it could not take exactly, to a bigint. */
  #spill(slot: number, measure: number, value: number): void {
    const at = slot * this.#config.measures + measure;
    const { sums } = this.#levels[0] as DeltaTable;
    this.#addExact(0, slot, measure, value);
    this.#addExact(0, slot, measure, sums[at] as number);
    sums[at] = 0;
  }

  #rowFrame(row: CubeRow): number {
    const last = this.#lastFrame;
    const minute = Math.floor(row.time_ms / (this.#config.granularities[0] as Granularity).bucket_ms);
    if (last.minute === minute && last.unit === row.unit && last.scope === row.scope) return last.frame;
    const { bucket_ms } = this.#config.granularities[0] as Granularity;
    const frame = this.#frame(0, row.scope, row.unit, minute * bucket_ms);
    this.#lastFrame = { scope: row.scope, unit: row.unit, minute, frame };
    return frame;
  }

  #frame(level: number, scope: string, unit: string, bucket_ms: number): number {
    const frames = this.#frames[level] as FrameList;
    const context = `${scope}\0${unit}`;
    let byBucket = frames.byKey.get(context);
    if (byBucket === undefined) {
      byBucket = new Map();
      frames.byKey.set(context, byBucket);
    }
    let frame = byBucket.get(bucket_ms);
    if (frame === undefined) {
      frame = frames.list.push({ scope, unit, bucket_ms, prefixes: [] }) - 1;
      byBucket.set(bucket_ms, frame);
    }
    return frame;
  }

  #code(dimension: number, value: string): number {
    const codes = this.#codes[dimension] as Map<string, number>;
    let code = codes.get(value);
    if (code === undefined) {
      const values = this.#values[dimension] as string[];
      code = values.push(value) - 1;
      codes.set(value, code);
    }
    return code;
  }

  /** Cubes of three and more dimensions: the values after the first are one code of their own. */
  readonly #joinedValues: string[][] = [];
  #join(second: number, pair: Pair, row: CubeRow): number {
    const values = [row.dimensions[pair.second] as string, ...pair.rest.map((index) => row.dimensions[index] as string)];
    const key = `${second}\0${values.join('\0')}`;
    let code = this.#joined.get(key);
    if (code === undefined) {
      code = this.#joinedValues.push(values) - 1;
      this.#joined.set(key, code);
    }
    return code;
  }

  /** Inside the commit: merges everything gathered into the stored cells. Returns cells written. */
  flush(watermark_ms: number): number {
    this.#sumCoarser();
    let written = 0;
    const redirected = new Set<string>();
    for (let level = this.#levels.length - 1; level >= 0; level--) {
      written += this.#flushLevel(level, watermark_ms, redirected);
    }
    this.#flushDays();
    for (const table of this.#levels) table.clear();
    for (const frames of this.#frames) {
      frames.byKey.clear();
      frames.list.length = 0;
    }
    this.#lastFrame = { scope: '', unit: '', minute: -1, frame: -1 };
    this.#observing = [];
    this.#spilled.clear();
    this.#joined.clear();
    this.#joinedValues.length = 0;
    if (this.dictionaryValues > DICTIONARY_LIMIT) {
      for (const codes of this.#codes) codes.clear();
      for (const values of this.#values) values.length = 0;
    }
    return written;
  }

  #sumCoarser(): void {
    for (let level = 1; level < this.#levels.length; level++) {
      const finer = this.#levels[level - 1] as DeltaTable;
      const coarser = this.#levels[level] as DeltaTable;
      const { bucket_ms: width_ms } = this.#config.granularities[level] as Granularity;
      const parents = (this.#frames[level - 1] as FrameList).list.map((frame) =>
        this.#frame(level, frame.scope, frame.unit, Math.floor(frame.bucket_ms / width_ms) * width_ms),
      );
      for (let slot = 0; slot < finer.count; slot++) {
        const parent = parents[finer.frame(slot)] as number;
        const to = coarser.slot(parent, finer.cube(slot), finer.first(slot), finer.second(slot));
        coarser.mergeFrom(finer, slot, to, (measure, sum) => this.#addExact(level, to, measure, sum));
        if (this.#spilled.size > 0) this.#mergeSpilled(level, slot, to);
      }
    }
  }

  #addExact(level: number, slot: number, measure: number, sum: number): void {
    const key = spillKey(level, slot, measure);
    this.#spilled.set(key, (this.#spilled.get(key) ?? 0n) + BigInt(sum));
  }

  /** Exact sums that left their doubles, by `level/slot:measure`. */
  #mergeSpilled(level: number, from: number, to: number): void {
    for (let measure = 0; measure < this.#config.measures; measure++) {
      const source = this.#spilled.get(spillKey(level - 1, from, measure));
      if (source === undefined) continue;
      const key = spillKey(level, to, measure);
      this.#spilled.set(key, (this.#spilled.get(key) ?? 0n) + source);
    }
  }

  #flushLevel(level: number, watermark_ms: number, redirected: Set<string>): number {
    const table = this.#levels[level] as DeltaTable;
    const { bucket_ms: width_ms, retain_ms } = this.#config.granularities[level] as Granularity;
    const frames = (this.#frames[level] as FrameList).list;
    const isDay = level === this.#levels.length - 1;
    if (isDay) this.#admit(table, frames, redirected);
    if (redirected.size > 0) this.#redirect(level, table, frames, redirected);
    let written = 0;
    for (const slot of this.#inKeyOrder(table, frames)) {
      const frame = frames[table.frame(slot)] as Frame;
      // A bucket past its retention would be removed again: it is not written at all.
      if (retain_ms !== undefined && frame.bucket_ms + width_ms + retain_ms <= watermark_ms) continue;
      if (redirected.size > 0 && redirected.has(this.#tupleKey(table, slot, frame))) continue;
      this.#writeCell(level, table, slot, frame, isDay);
      written++;
    }
    return written;
  }

  /** Slots by cube, then bucket: neighbours in the store are written together. */
  #inKeyOrder(table: DeltaTable, frames: readonly Frame[]): Int32Array {
    const order = new Int32Array(table.count);
    for (let slot = 0; slot < order.length; slot++) order[slot] = slot;
    const weight = new Float64Array(table.count);
    for (let slot = 0; slot < order.length; slot++) {
      weight[slot] = table.cube(slot) * 2 ** 40 + (frames[table.frame(slot)] as Frame).bucket_ms / MINUTE_MS;
    }
    return order.sort((a, b) => (weight[a] as number) - (weight[b] as number));
  }

  #writeKey(level: number, table: DeltaTable, slot: number, frame: Frame): Uint8Array {
    const cube = table.cube(slot);
    const definition = this.#config.cubes[cube] as CubeDefinition;
    let prefix = frame.prefixes[cube];
    if (prefix === undefined) {
      prefix = new ByteWriter()
        .orderedString(frame.scope)
        .orderedString(definition.name)
        .u8(level)
        .u32(frame.bucket_ms / MINUTE_MS)
        .copy();
      frame.prefixes[cube] = prefix;
    }
    const writer = this.#keyWriter.reset().bytes(prefix);
    const pair = this.#pairs[cube] as Pair;
    if (pair.first >= 0) writer.orderedString(this.#valueOf(pair.first, table.first(slot)));
    if (pair.rest.length > 0) {
      const second = table.second(slot);
      const values = second === OTHER_CODE ? definition.dimensions.slice(1).map(() => OTHER) : this.#joinedValues[second];
      for (const value of values ?? []) writer.orderedString(value);
    } else if (pair.second >= 0) writer.orderedString(this.#valueOf(pair.second, table.second(slot)));
    return writer.orderedString(frame.unit).view();
  }

  #valueOf(dimension: number, code: number): string {
    return code === OTHER_CODE ? OTHER : ((this.#values[dimension] as string[])[code] as string);
  }

  #writeCell(level: number, table: DeltaTable, slot: number, frame: Frame, isDay: boolean): void {
    const { measures } = this.#config;
    const key = this.#writeKey(level, table, slot, frame);
    const stored = this.#state.cells.get(key);
    const observed = table.hasLinks(slot);
    const cell: Cell = stored === undefined ? emptyCell(measures) : readCell(stored, measures, true);
    if (stored === undefined && isDay && table.first(slot) !== OTHER_CODE) {
      this.#dayCount(frame, table.cube(slot)).cells++;
      this.#dayCount(frame, table.cube(slot)).changed = true;
    }
    const base = slot * measures;
    const { sums } = table;
    for (let measure = 0; measure < measures; measure++) {
      const value = sums[base + measure] as number;
      if (value !== 0) cell.sums[measure] = addExact(cell.sums[measure] as number, value);
    }
    if (this.#spilled.size > 0) this.#addSpilled(level, slot, cell);
    let detailBytes: Uint8Array | undefined;
    if (observed) {
      const detail = cell.spilled ? this.#storedDetail(key) : (cell.detail ?? emptyDetail());
      mergeDetail(detail, this.#detailOf(table, slot));
      cell.detail = detail;
    }
    const detail = cell.detail;
    if (detail !== undefined && !isEmptyDetail(detail)) {
      writeDetail(this.#detailWriter.reset(), detail);
      const bytes = this.#detailWriter.view();
      if (cell.spilled || bytes.length > INLINE_DETAIL_BYTES) {
        cell.spilled = true;
        this.#state.details.put(key, bytes);
      } else detailBytes = bytes;
    }
    writeCell(this.#cellWriter.reset(), cell, detailBytes);
    this.#state.cells.put(key, this.#cellWriter.view());
  }

  #addSpilled(level: number, slot: number, cell: Cell): void {
    for (let measure = 0; measure < this.#config.measures; measure++) {
      const value = this.#spilled.get(spillKey(level, slot, measure));
      if (value !== undefined) cell.sums[measure] = addExact(cell.sums[measure] as number, value);
    }
  }

  #storedDetail(key: Uint8Array): CellDetail {
    const bytes = this.#state.details.get(key);
    invariant(bytes !== undefined, 'a spilled cell has its detail row');
    return readDetail(new ByteReader(bytes));
  }

  #detailOf(table: DeltaTable, slot: number): CellDetail {
    const values: number[][] = [];
    const members: number[] = [];
    table.eachLink(slot, (index) => {
      const { observed, member } = this.#observing[index] as CubeRow;
      for (let at = 0; at < observed.length; at += 2) {
        const distribution = observed[at] as number;
        let list = values[distribution];
        if (list === undefined) {
          list = [];
          values[distribution] = list;
        }
        list.push(observed[at + 1] as number);
      }
      if (member >= 0) members.push(member);
    });
    const distributions = Array.from({ length: this.#config.distributions }, (_, index) => {
      const list = values[index];
      return list === undefined ? undefined : distributionOf(list);
    });
    return { distributions, distinct: distinctOf(members) };
  }

  #dayCount(frame: Frame, cube: number): DayCount {
    const { name } = this.#config.cubes[cube] as CubeDefinition;
    const day_ms = Math.floor(frame.bucket_ms / DAY_MS) * DAY_MS;
    const id = `${frame.scope}\0${name}\0${day_ms}`;
    let count = this.#days.get(id);
    if (count === undefined) {
      const bytes = this.#state.cardinality.get(cardinalityKey(frame.scope, name, day_ms));
      const reader = bytes === undefined ? undefined : new ByteReader(bytes);
      count = { cells: reader?.varint() ?? 0, other_rows: reader?.varint() ?? 0, changed: false };
      this.#days.set(id, count);
      this.#know(frame.scope, name);
    }
    return count;
  }

  #flushDays(): void {
    for (const [id, { cells, other_rows, changed }] of this.#days) {
      if (!changed) continue;
      const [scope = '', cube = '', day = '0'] = id.split('\0');
      const bytes = new ByteWriter().varint(cells).varint(other_rows).copy();
      this.#state.cardinality.put(cardinalityKey(scope, cube, Number(day)), bytes);
    }
    this.#days.clear();
  }

  /**
   * Finds the value tuples that get no cell because their day is full. Whether a tuple has been admitted
   * is remembered by its day cell being there, so it holds for later rows and for retractions too.
   */
  #admit(table: DeltaTable, frames: readonly Frame[], redirected: Set<string>): void {
    const perDay = new Map<DayCount, number>();
    for (let slot = 0; slot < table.count; slot++) {
      const count = this.#dayCount(frames[table.frame(slot)] as Frame, table.cube(slot));
      perDay.set(count, (perDay.get(count) ?? 0) + 1);
    }
    const tight = new Set<DayCount>();
    for (const [count, slots] of perDay) if (count.cells + slots > this.#config.cells_per_day) tight.add(count);
    if (tight.size === 0) return;
    const level = this.#levels.length - 1;
    const taken = new Map<DayCount, number>();
    for (let slot = 0; slot < table.count; slot++) {
      const frame = frames[table.frame(slot)] as Frame;
      const count = this.#dayCount(frame, table.cube(slot));
      if (!tight.has(count) || this.#state.cells.get(this.#writeKey(level, table, slot, frame)) !== undefined) continue;
      const used = taken.get(count) ?? 0;
      if (count.cells + used < this.#config.cells_per_day) taken.set(count, used + 1);
      else {
        redirected.add(this.#tupleKey(table, slot, frame));
        count.other_rows += table.rows(slot);
        count.changed = true;
      }
    }
  }

  #tupleKey(table: DeltaTable, slot: number, frame: Frame): string {
    const day_ms = Math.floor(frame.bucket_ms / DAY_MS) * DAY_MS;
    const { scope, unit } = frame;
    return `${scope}\0${unit}\0${day_ms}\0${table.cube(slot)}\0${table.first(slot)}\0${table.second(slot)}`;
  }

  /** Adds the redirected slots of a level to the slots of OTHER, which are written like any. */
  #redirect(level: number, table: DeltaTable, frames: readonly Frame[], redirected: Set<string>): void {
    const count = table.count;
    for (let slot = 0; slot < count; slot++) {
      const frame = frames[table.frame(slot)] as Frame;
      if (!redirected.has(this.#tupleKey(table, slot, frame))) continue;
      const cube = table.cube(slot);
      const pair = this.#pairs[cube] as Pair;
      const second = pair.second < 0 ? NO_CODE : OTHER_CODE;
      const other = table.slot(table.frame(slot), cube, OTHER_CODE, second);
      table.mergeFrom(table, slot, other, (measure, sum) => this.#addExact(level, other, measure, sum));
      if (this.#spilled.size > 0) this.#redirectSpilled(level, slot, other);
    }
  }

  #redirectSpilled(level: number, slot: number, other: number): void {
    for (let measure = 0; measure < this.#config.measures; measure++) {
      const source = this.#spilled.get(spillKey(level, slot, measure));
      if (source === undefined) continue;
      const key = spillKey(level, other, measure);
      this.#spilled.set(key, (this.#spilled.get(key) ?? 0n) + source);
    }
  }
}

const OTHER_CODE = -2;

function spillKey(level: number, slot: number, measure: number): string {
  return `${level}/${slot}:${measure}`;
}

function isEmptyDetail({ distributions, distinct }: CellDetail): boolean {
  return distinct.kind === 'exact' && distinct.members.length === 0 && distributions.every((d) => d === undefined);
}
