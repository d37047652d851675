import { ByteReader, ByteWriter } from '../../engine/index.ts';
import type { ExactSum } from '../../operators/index.ts';
import { tooManyPoints } from '../query/index.ts';
import { AmountCounts } from './amount-counts.ts';
import { DetailBudget } from './detail-budget.ts';
import { MemberCounts } from './member-counts.ts';
import { SeriesTable } from './series-table.ts';
import { SumColumn } from './sum-column.ts';

/** Sums that one query holds: series × slots × measures, 8 bytes each. */
export const MAX_SUMS = 8_000_000;

/** How much there is of each kind. */
export interface SumsShape {
  /** Values that tell series apart. */
  readonly width: number;
  /** Time slots. */
  readonly slots: number;
  readonly measures: number;
  /** Multisets of amounts. */
  readonly amounts: number;
  /** Sets of distinct members. */
  readonly members: number;
}

/**
 * What a query adds up, by series and time slot; a point is series × slots + slot. A series is a tuple of codes,
 * whose texts `textOf` knows.
 */
export class KpiSums {
  readonly shape: SumsShape;
  readonly series: SeriesTable;
  readonly columns: readonly SumColumn[];
  readonly #amounts = new Map<number, AmountCounts>();
  readonly #members = new Map<number, MemberCounts>();
  readonly #budget = new DetailBudget();
  #reserved = 0;

  constructor(shape: SumsShape) {
    this.shape = shape;
    this.series = new SeriesTable(shape.width);
    this.columns = Array.from({ length: shape.measures }, () => new SumColumn());
  }

  /** Makes room for the series there are. Throws QueryError `too_many_points`. */
  reserve(): void {
    const { count } = this.series;
    if (count <= this.#reserved) return;
    const points = count * this.shape.slots;
    if (points * Math.max(1, this.columns.length) > MAX_SUMS) throw tooManyPoints(this.shape.slots, count);
    for (const column of this.columns) column.reserve(points);
    this.#reserved = count;
  }

  amountsAt(point: number, index: number): AmountCounts | undefined {
    return this.#amounts.get(point * this.shape.amounts + index);
  }

  addAmount(point: number, index: number, value: number, net: number): void {
    const at = point * this.shape.amounts + index;
    let counts = this.#amounts.get(at);
    if (counts === undefined) {
      counts = new AmountCounts(this.#budget);
      this.#amounts.set(at, counts);
    }
    counts.add(value, net);
  }

  membersAt(point: number, index: number): MemberCounts | undefined {
    return this.#members.get(point * this.shape.members + index);
  }

  addMember(point: number, index: number, hi: number, lo: number, net: number): void {
    const at = point * this.shape.members + index;
    let members = this.#members.get(at);
    if (members === undefined) {
      members = new MemberCounts(this.#budget);
      this.#members.set(at, members);
    }
    members.add(hi, lo, net);
  }

  /** `textOf` gives the text of a code of any column. */
  write(textOf: (code: number) => string): Uint8Array {
    const { width, slots, measures, amounts, members } = this.shape;
    const writer = new ByteWriter();
    for (const count of [width, slots, measures, amounts, members]) writer.varint(count);
    this.#writeSeries(writer, textOf);
    for (let series = 0; series < this.series.count; series++) {
      const points: number[] = [];
      for (let slot = 0; slot < slots; slot++) if (this.#isUsed(series * slots + slot)) points.push(slot);
      writer.varint(points.length);
      for (const slot of points) this.#writePoint(writer.varint(slot), series * slots + slot);
    }
    return writer.copy();
  }

  #isUsed(point: number): boolean {
    const { amounts, members } = this.shape;
    for (const column of this.columns) if (column.get(point) !== 0) return true;
    for (let index = 0; index < amounts; index++) {
      if (this.#amounts.has(point * amounts + index)) return true;
    }
    for (let index = 0; index < members; index++) {
      if (this.#members.has(point * members + index)) return true;
    }
    return false;
  }

  #writeSeries(writer: ByteWriter, textOf: (code: number) => string): void {
    const numbers = new Map<number, number>();
    const { count, width } = this.series;
    for (let series = 0; series < count; series++) {
      for (let at = 0; at < width; at++) {
        const code = this.series.codeOf(series, at);
        if (!numbers.has(code)) numbers.set(code, numbers.size);
      }
    }
    writer.varint(numbers.size);
    for (const code of numbers.keys()) writer.string(textOf(code));
    writer.varint(count);
    for (let series = 0; series < count; series++) {
      for (let at = 0; at < width; at++) writer.varint(numbers.get(this.series.codeOf(series, at)) ?? 0);
    }
  }

  #writePoint(writer: ByteWriter, point: number): void {
    const { amounts, members } = this.shape;
    for (const column of this.columns) writeSum(writer, column.get(point));
    for (let index = 0; index < amounts; index++) {
      const counts = this.#amounts.get(point * amounts + index);
      writer.u8(counts === undefined ? 0 : 1);
      counts?.write(writer);
    }
    for (let index = 0; index < members; index++) {
      const set = this.#members.get(point * members + index);
      writer.u8(set === undefined ? 0 : 1);
      set?.write(writer);
    }
  }

  /** Adds what `write` wrote; `codeOf` gives the code of a text. */
  addBytes(bytes: Uint8Array, codeOf: (text: string) => number): void {
    const reader = new ByteReader(bytes);
    readShape(reader);
    const codes: number[] = [];
    for (let left = reader.varint(); left > 0; left--) codes.push(codeOf(reader.string()));
    const tuple = new Int32Array(this.shape.width);
    const numbers = new Int32Array(reader.varint());
    for (let index = 0; index < numbers.length; index++) {
      for (let at = 0; at < tuple.length; at++) tuple[at] = codes[reader.varint()] as number;
      numbers[index] = this.series.find(tuple);
    }
    this.reserve();
    for (const series of numbers) {
      for (let left = reader.varint(); left > 0; left--) {
        this.#addPoint(reader, series * this.shape.slots + reader.varint());
      }
    }
  }

  #addPoint(reader: ByteReader, point: number): void {
    const { amounts, members } = this.shape;
    for (const column of this.columns) column.add(point, readSum(reader));
    for (let index = 0; index < amounts; index++) {
      if (reader.u8() === 0) continue;
      const counts = AmountCounts.read(reader, this.#budget);
      const own = this.amountsAt(point, index);
      if (own === undefined) this.#amounts.set(point * amounts + index, counts);
      else own.addAll(counts);
    }
    for (let index = 0; index < members; index++) {
      if (reader.u8() === 0) continue;
      const set = MemberCounts.read(reader, this.#budget);
      const own = this.membersAt(point, index);
      if (own === undefined) this.#members.set(point * members + index, set);
      else own.addAll(set);
    }
  }
}

function readShape(reader: ByteReader): SumsShape {
  return {
    width: reader.varint(),
    slots: reader.varint(),
    measures: reader.varint(),
    amounts: reader.varint(),
    members: reader.varint(),
  };
}

const SAFE = 0;
const BIG = 1;

function writeSum(writer: ByteWriter, sum: ExactSum): void {
  if (typeof sum === 'number') writer.u8(SAFE).zigzag(sum);
  else writer.u8(BIG).string(sum.toString());
}

function readSum(reader: ByteReader): ExactSum {
  return reader.u8() === SAFE ? reader.zigzag() : BigInt(reader.string());
}

/** Texts by number and numbers by text, in order of appearance. */
export class Texts {
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#texts.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }

  textOf(number: number): string {
    return this.#texts[number] as string;
  }
}

/** Sums with the texts of their series. */
export interface NamedSums {
  readonly sums: KpiSums;
  readonly texts: Texts;
}

/** The sum of what several `write` wrote, all of one shape. */
export function readSums(shape: SumsShape, parts: readonly Uint8Array[]): NamedSums {
  const sums = new KpiSums(shape);
  const texts = new Texts();
  for (const bytes of parts) sums.addBytes(bytes, (text) => texts.numberOf(text));
  return { sums, texts };
}

export function mergeSums(a: Uint8Array, b: Uint8Array): Uint8Array {
  const { sums, texts } = readSums(readShape(new ByteReader(a)), [a, b]);
  return sums.write((number) => texts.textOf(number));
}
