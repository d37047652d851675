import { ByteReader, ByteWriter } from '../base/index.ts';

/** What is in a chunk: enough to skip it, or to take it whole. */
export interface ChunkEntry {
  readonly rows: number;
  readonly min_ms: number;
  readonly max_ms: number;
  readonly min_sequence: number;
  readonly max_sequence: number;
  readonly bytes: number;
}

/** The rows of a UTC day: their number, that of those that count (retractions count -1), and their digest. */
export interface DayEntry {
  readonly day: number;
  rows: number;
  net: number;
  /** Sums modulo 2^32 of the two halves of the rows' hashes, signed. */
  first: number;
  second: number;
}

/** Of an immutable segment. Cuts go by day, so what is behind one is known without reading a row. */
export interface Manifest {
  /** Of its columns. */
  readonly schema: number;
  readonly chunks: readonly ChunkEntry[];
  /** In order. */
  readonly days: readonly DayEntry[];
}

export function rowsOf({ days }: Pick<Manifest, 'days'>): number {
  let rows = 0;
  for (const day of days) rows += day.rows;
  return rows;
}

export function encodeManifest({ schema, chunks, days }: Manifest): Buffer {
  const writer = new ByteWriter().varint(schema).varint(chunks.length);
  for (const { rows, min_ms, max_ms, min_sequence, max_sequence, bytes } of chunks) {
    writer
      .varint(rows)
      .zigzag(min_ms)
      .varint(max_ms - min_ms);
    writer
      .varint(min_sequence)
      .varint(max_sequence - min_sequence)
      .varint(bytes);
  }
  writer.varint(days.length);
  let before = 0;
  for (const { day, rows, net, first, second } of days) {
    writer
      .zigzag(day - before)
      .varint(rows)
      .zigzag(net)
      .u32(first)
      .u32(second);
    before = day;
  }
  return writer.copy();
}

export function decodeManifest(bytes: Uint8Array): Manifest {
  const reader = new ByteReader(bytes);
  const schema = reader.varint();
  const chunks: ChunkEntry[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const rows = reader.varint();
    const min_ms = reader.zigzag();
    const max_ms = min_ms + reader.varint();
    const min_sequence = reader.varint();
    const max_sequence = min_sequence + reader.varint();
    chunks.push({ rows, min_ms, max_ms, min_sequence, max_sequence, bytes: reader.varint() });
  }
  const days: DayEntry[] = [];
  let day = 0;
  for (let left = reader.varint(); left > 0; left--) {
    day += reader.zigzag();
    const rows = reader.varint();
    const net = reader.zigzag();
    days.push({ day, rows, net, first: reader.u32() | 0, second: reader.u32() | 0 });
  }
  return { schema, chunks, days };
}

/** Adds days up by day, leaving out those before `firstDay`. */
export class DaySums {
  readonly #days = new Map<number, DayEntry>();

  add({ day, rows, net, first, second }: DayEntry): void {
    const known = this.#days.get(day);
    if (known === undefined) {
      this.#days.set(day, { day, rows, net, first, second });
      return;
    }
    known.rows += rows;
    known.net += net;
    known.first = (known.first + first) | 0;
    known.second = (known.second + second) | 0;
  }

  entry(day: number): DayEntry {
    let entry = this.#days.get(day);
    if (entry === undefined) {
      entry = { day, rows: 0, net: 0, first: 0, second: 0 };
      this.#days.set(day, entry);
    }
    return entry;
  }

  sorted(): DayEntry[] {
    return [...this.#days.values()].sort((a, b) => a.day - b.day);
  }
}

/** What a log keeps of a tenant beside its segments. */
export interface ScopeState {
  /** UTC day; rows before it are gone, and scans show none of them. */
  readonly firstDay: number;
  /** No segment of this id or a larger one ever was. */
  readonly nextId: number;
}

/** Of a scope that was never cut. */
export const NO_CUT = Number.NEGATIVE_INFINITY;

export function encodeScope({ firstDay, nextId }: ScopeState): Buffer {
  return new ByteWriter().zigzag(firstDay).varint(nextId).copy();
}

export function decodeScope(bytes: Uint8Array): ScopeState {
  const reader = new ByteReader(bytes);
  return { firstDay: reader.zigzag(), nextId: reader.varint() };
}
