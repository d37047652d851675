import { addExact, type ExactSum, narrow } from '../../aggregates/index.ts';
import { checkedTime } from '../../core/index.ts';
import { DeltaEncoder } from './cube-delta.ts';
import type { CubeDefinition, CubeRow } from './cube-types.ts';
import { DeltaTable, SPILL } from './delta-table.ts';

const NO_CODE = -1;
/** Dictionaries are emptied after a commit when they hold more values than this, all dimensions together. */
const DICTIONARY_LIMIT = 100_000;
/** A single value this large takes the exact way at once: with what a slot may hold it still adds exactly. */
const LARGE = 2 ** 51;

/** Codes and frames that have an array: 14 cubes × 513 codes × 4 bytes are 29 kB a frame. */
const DIRECT_CODES = 512;
const DIRECT_FRAMES = 128;

interface GatherConfig {
  /** Of the operator. */
  readonly name: string;
  readonly cubes: readonly CubeDefinition[];
  readonly dimensions: readonly string[];
  readonly measures: number;
  /** Bucket width of the finest granularity, ms. */
  readonly bucket_ms: number;
}

/** A scope, a unit and a bucket: what the cells of a row share. */
interface Frame {
  readonly scope: number;
  readonly unit: string;
  readonly unitCode: number;
  readonly bucket_ms: number;
}

/** Indexes of a cube's dimensions in a row, -1 where it has fewer than two; those beyond two are joined. */
interface Pair {
  readonly first: number;
  readonly second: number;
  readonly rest: readonly number[];
}

const INITIAL_OBSERVATIONS = 4_096;

/** What rows observed, flat: the rows themselves die young instead of living until the commit. */
class Observations {
  #values = new Float64Array(INITIAL_OBSERVATIONS * 4);
  #ends = new Int32Array(INITIAL_OBSERVATIONS);
  #members = new Float64Array(INITIAL_OBSERVATIONS);
  #length = 0;
  #rows = 0;

  add(observed: readonly number[], member: number): number {
    if (this.#length + observed.length > this.#values.length) this.#values = widened(this.#values);
    if (this.#rows === this.#members.length) {
      this.#members = widened(this.#members);
      const ends = new Int32Array(this.#members.length);
      ends.set(this.#ends);
      this.#ends = ends;
    }
    for (let index = 0; index < observed.length; index++)
      this.#values[this.#length++] = observed[index] as number;
    const row = this.#rows++;
    this.#ends[row] = this.#length;
    this.#members[row] = member;
    return row;
  }

  start(row: number): number {
    return row === 0 ? 0 : (this.#ends[row - 1] as number);
  }

  end(row: number): number {
    return this.#ends[row] as number;
  }

  value(at: number): number {
    return this.#values[at] as number;
  }

  member(row: number): number {
    return this.#members[row] as number;
  }

  clear(): void {
    this.#length = 0;
    this.#rows = 0;
  }
}

function widened(array: Float64Array): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(array.length * 2);
  wider.set(array);
  return wider;
}

/** Adds up the rows between two commits by touched cell: one table probe a row and cube. */
export class CubeGatherer {
  readonly #config: GatherConfig;
  readonly #table: DeltaTable;
  readonly #encoder = new DeltaEncoder();
  readonly #scopes: string[] = [];
  readonly #units: string[] = [];
  readonly #frames: Frame[] = [];
  readonly #frameOf = new Map<string, Map<number, number>>();
  readonly #codes: Map<string, number>[];
  readonly #values: string[][];
  readonly #pairs: readonly Pair[];
  readonly #joined = new Map<string, number>();
  readonly #joinedValues: (readonly string[])[] = [];
  /** Of the row in hand, by dimension. */
  readonly #rowCodes: Int32Array;
  readonly #observations = new Observations();
  /** Sums that left their doubles, by `slot:measure`. */
  readonly #spilled = new Map<string, bigint>();
  /** Slots by frame, then cube and code. */
  readonly #direct: Int32Array[] = [];
  #lastScope = '';
  #lastUnit = '';
  #lastBucket = -1;
  #lastFrame = -1;

  constructor(config: GatherConfig) {
    this.#config = config;
    this.#table = new DeltaTable(config.measures);
    this.#codes = config.dimensions.map(() => new Map());
    this.#values = config.dimensions.map(() => []);
    this.#rowCodes = new Int32Array(config.dimensions.length);
    this.#pairs = config.cubes.map(({ dimensions }) => {
      const [first = NO_CODE, second = NO_CODE, ...rest] = dimensions.map((name) =>
        config.dimensions.indexOf(name),
      );
      return { first, second, rest };
    });
  }

  /** Cells touched since the last commit. */
  get touched(): number {
    return this.#table.count;
  }

  get dictionaryValues(): number {
    return this.#values.reduce((sum, values) => sum + values.length, 0);
  }

  add(row: CubeRow): void {
    const table = this.#table;
    const frame = this.#frame(row);
    const { cubes, measures } = this.#config;
    const { sums, mask, dimensions } = row;
    const observing =
      row.observed.length > 0 || row.member >= 0 ? this.#observations.add(row.observed, row.member) : NO_CODE;
    let touched = 0;
    for (let index = 0; index < sums.length; index += 2) touched |= 1 << (sums[index] as number);
    const codes = this.#rowCodes;
    for (let index = 0; index < codes.length; index++)
      codes[index] = this.#code(index, dimensions[index] as string);
    for (let cube = 0; cube < cubes.length; cube++) {
      if (((cubes[cube] as CubeDefinition).mask & mask) === 0) continue;
      const pair = this.#pairs[cube] as Pair;
      const first = pair.first < 0 ? NO_CODE : (codes[pair.first] as number);
      let second = pair.second < 0 ? NO_CODE : (codes[pair.second] as number);
      if (pair.rest.length > 0) second = this.#join(pair, row);
      const slot =
        second === NO_CODE && first < DIRECT_CODES && frame < DIRECT_FRAMES
          ? this.#directSlot(frame, cube, first)
          : table.slot(frame, cube, first, second);
      table.touch(slot, touched);
      const accumulators = table.sums;
      const base = slot * measures;
      for (let index = 0; index < sums.length; index += 2) {
        const at = base + (sums[index] as number);
        const value = sums[index + 1] as number;
        const sum = (accumulators[at] as number) + value;
        if (value < LARGE && value > -LARGE && sum < SPILL && sum > -SPILL) accumulators[at] = sum;
        else this.#spill(slot, sums[index] as number, value);
      }
      if (observing >= 0) table.link(slot, observing);
    }
  }

  /**
   * The slot of a cube of one dimension: most probes are for these, and a frame has few common values, so
   * an array answers.
   */
  #directSlot(frame: number, cube: number, code: number): number {
    let direct = this.#direct[frame];
    if (direct === undefined) {
      direct = new Int32Array(this.#config.cubes.length * (DIRECT_CODES + 1));
      this.#direct[frame] = direct;
    }
    // Codes begin at NO_CODE; 0 is a slot not asked for yet.
    const at = cube * (DIRECT_CODES + 1) + code + 1;
    const known = direct[at] as number;
    if (known > 0) return known - 1;
    const slot = this.#table.slot(frame, cube, code, NO_CODE);
    direct[at] = slot + 1;
    return slot;
  }

  /** Moves what an accumulator holds, and a value that it could not take exactly, to a bigint. */
  #spill(slot: number, measure: number, value: number): void {
    const at = slot * this.#config.measures + measure;
    const { sums } = this.#table;
    const key = `${slot}:${measure}`;
    this.#spilled.set(key, (this.#spilled.get(key) ?? 0n) + BigInt(sums[at] as number) + BigInt(value));
    sums[at] = 0;
  }

  #frame(row: CubeRow): number {
    const { bucket_ms: width_ms } = this.#config;
    const bucket_ms = row.time_ms - (row.time_ms % width_ms);
    if (this.#lastBucket === bucket_ms && this.#lastUnit === row.unit && this.#lastScope === row.scope) {
      return this.#lastFrame;
    }
    const context = `${row.scope}\0${row.unit}`;
    let byBucket = this.#frameOf.get(context);
    if (byBucket === undefined) {
      byBucket = new Map();
      this.#frameOf.set(context, byBucket);
    }
    let frame = byBucket.get(bucket_ms);
    if (frame === undefined) {
      // NaN and times that a key cannot hold.
      checkedTime(bucket_ms, this.#config.name);
      let scope = this.#scopes.indexOf(row.scope);
      if (scope < 0) scope = this.#scopes.push(row.scope) - 1;
      let unitCode = this.#units.indexOf(row.unit);
      if (unitCode < 0) unitCode = this.#units.push(row.unit) - 1;
      frame = this.#frames.push({ scope, unit: row.unit, unitCode, bucket_ms }) - 1;
      byBucket.set(bucket_ms, frame);
    }
    this.#lastScope = row.scope;
    this.#lastUnit = row.unit;
    this.#lastBucket = bucket_ms;
    this.#lastFrame = frame;
    return frame;
  }

  #code(dimension: number, value: string): number {
    // Most values of a row are missing: the empty string's code is -1, and needs no look-up.
    if (value === '') return NO_CODE;
    const codes = this.#codes[dimension] as Map<string, number>;
    let code = codes.get(value);
    if (code === undefined) {
      code = (this.#values[dimension] as string[]).push(value) - 1;
      codes.set(value, code);
    }
    return code;
  }

  #valueOf(dimension: number, code: number): string {
    return code === NO_CODE ? '' : ((this.#values[dimension] as string[])[code] as string);
  }

  /** Cubes of three and more dimensions: the values after the first are one code of their own. */
  #join(pair: Pair, row: CubeRow): number {
    const values = [pair.second, ...pair.rest].map((index) => row.dimensions[index] as string);
    const key = JSON.stringify(values);
    let code = this.#joined.get(key);
    if (code === undefined) {
      code = this.#joinedValues.push(values) - 1;
      this.#joined.set(key, code);
    }
    return code;
  }

  /** Encodes what was gathered, a row for each scope and cube, and begins anew. */
  drain(store: (scope: string, cube: CubeDefinition, bytes: Uint8Array) => void): void {
    const table = this.#table;
    const groups = new Map<number, number[]>();
    const { cubes } = this.#config;
    for (let slot = 0; slot < table.count; slot++) {
      const group = (this.#frames[table.frame(slot)] as Frame).scope * cubes.length + table.cube(slot);
      let slots = groups.get(group);
      if (slots === undefined) {
        slots = [];
        groups.set(group, slots);
      }
      slots.push(slot);
    }
    for (const [group, slots] of groups) {
      this.#encoder.reset();
      for (const slot of slots) this.#encode(slot);
      const scope = this.#scopes[Math.floor(group / cubes.length)] as string;
      store(scope, cubes[group % cubes.length] as CubeDefinition, this.#encoder.finish());
    }
    this.#reset();
  }

  #encode(slot: number): void {
    const table = this.#table;
    const encoder = this.#encoder;
    const frame = this.#frames[table.frame(slot)] as Frame;
    const first = table.first(slot);
    const second = table.second(slot);
    if (encoder.begin(frame.bucket_ms, frame.unitCode, first, second)) {
      const pair = this.#pairs[table.cube(slot)] as Pair;
      encoder.text(frame.unit);
      if (pair.first >= 0) encoder.text(this.#valueOf(pair.first, first));
      if (pair.rest.length > 0) {
        for (const value of this.#joinedValues[second] as readonly string[]) encoder.text(value);
      } else if (pair.second >= 0) {
        encoder.text(this.#valueOf(pair.second, second));
      }
    }
    this.#encodeSums(slot);
    if (table.firstLink(slot) !== NO_CODE) this.#encodeDetail(slot);
  }

  /** Counts first, so that nothing is collected in between. */
  #encodeDetail(slot: number): void {
    const table = this.#table;
    const observations = this.#observations;
    const encoder = this.#encoder;
    let values = 0;
    let members = 0;
    for (let link = table.firstLink(slot); link !== NO_CODE; link = table.nextLink(link)) {
      const row = table.linked(link);
      values += observations.end(row) - observations.start(row);
      if (observations.member(row) >= 0) members++;
    }
    encoder.detail(values / 2);
    for (let link = table.firstLink(slot); link !== NO_CODE; link = table.nextLink(link)) {
      const row = table.linked(link);
      for (let at = observations.start(row); at < observations.end(row); at += 2)
        encoder.observe(observations.value(at), observations.value(at + 1));
    }
    encoder.members(members);
    if (members === 0) return;
    for (let link = table.firstLink(slot); link !== NO_CODE; link = table.nextLink(link)) {
      const member = observations.member(table.linked(link));
      if (member >= 0) encoder.member(member);
    }
  }

  #encodeSums(slot: number): void {
    const { measures } = this.#config;
    const { sums } = this.#table;
    const base = slot * measures;
    const touched = this.#table.touched(slot);
    if (this.#spilled.size > 0) {
      this.#encodeSpilled(slot, touched);
      return;
    }
    // What was added and taken back is no sum.
    let mask = touched;
    for (let left = touched; left !== 0; left &= left - 1) {
      if (sums[base + 31 - Math.clz32(left & -left)] === 0) mask &= ~(left & -left);
    }
    this.#encoder.sums(mask);
    for (let left = mask; left !== 0; left &= left - 1) {
      this.#encoder.sum(sums[base + 31 - Math.clz32(left & -left)] as number);
    }
  }

  #encodeSpilled(slot: number, touched: number): void {
    const exact: ExactSum[] = [];
    let mask = 0;
    for (let left = touched; left !== 0; left &= left - 1) {
      const measure = 31 - Math.clz32(left & -left);
      const dense = this.#table.sums[slot * this.#config.measures + measure] as number;
      const sum = addExact(dense, narrow(this.#spilled.get(`${slot}:${measure}`) ?? 0n));
      if (sum === 0) continue;
      mask |= 1 << measure;
      exact.push(sum);
    }
    this.#encoder.sums(mask);
    for (const sum of exact) this.#encoder.sum(sum);
  }

  #reset(): void {
    this.#table.clear();
    this.#frames.length = 0;
    this.#direct.length = 0;
    this.#frameOf.clear();
    this.#lastBucket = -1;
    this.#observations.clear();
    this.#spilled.clear();
    this.#joined.clear();
    this.#joinedValues.length = 0;
    this.#units.length = 0;
    if (this.dictionaryValues > DICTIONARY_LIMIT) {
      for (const codes of this.#codes) codes.clear();
      for (const values of this.#values) values.length = 0;
    }
  }
}
