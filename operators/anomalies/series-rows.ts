import { ByteReader, ByteWriter, type KvTable } from '../../engine/index.ts';
import type { Episode, Severity } from './watched-rule.ts';

/** What is known of one group's series before a window: the detector's state and the open anomaly. */
export interface SeriesState {
  /** Index of its first window: the first with something in it. */
  readonly first: number;
  readonly state: Uint8Array;
  readonly episode: Episode | undefined;
}

const SEVERITIES = ['low', 'medium', 'high'] as const satisfies readonly Severity[];

/** A series as it was before a window. */
export interface SeriesSnapshot {
  readonly index: number;
  readonly series: SeriesState;
}

/** Windows are numbered from 1970, and may lie before it. */
const INDEX_BIAS = 2 ** 40;
/** Windows between two snapshots of a series. */
export const SNAPSHOT_WINDOWS = 24;
/** Windows between two snapshots that are kept long. */
const DEEP_WINDOWS = SNAPSHOT_WINDOWS * 256;

export function encodeSeries(writer: ByteWriter, { first, state, episode }: SeriesState): Uint8Array {
  writer.reset().zigzag(first);
  if (episode === undefined) writer.u8(0);
  else {
    const { start, direction, last, severity } = episode;
    writer
      .u8(direction === 'low' ? 1 : 2)
      .zigzag(start)
      .zigzag(last)
      .u8(SEVERITIES.indexOf(severity));
    writer.f64(episode.value).f64(episode.expected).f64(episode.lower).f64(episode.upper).f64(episode.score);
  }
  return writer.bytes(state).view();
}

export function decodeSeries(bytes: Uint8Array): SeriesState {
  const reader = new ByteReader(bytes);
  const first = reader.zigzag();
  const side = reader.u8();
  const episode = side === 0 ? undefined : decodeEpisode(reader, side);
  // A copy: detectors change it in place.
  return { first, episode, state: Uint8Array.from(reader.bytes(reader.remaining)) };
}

function decodeEpisode(reader: ByteReader, side: number): Episode {
  const [start, last] = [reader.zigzag(), reader.zigzag()];
  const severity = SEVERITIES[reader.u8()] ?? 'low';
  const [value, expected, lower, upper, score] = [
    reader.f64(),
    reader.f64(),
    reader.f64(),
    reader.f64(),
    reader.f64(),
  ];
  const direction = side === 1 ? 'low' : 'high';
  return { start, last, direction, value, expected, lower, upper, score, severity };
}

/** The series of one rule on disk: as they are now, and as they were at some windows before. */
export class SeriesRows {
  readonly #series: KvTable;
  readonly #snapshots: KvTable;
  readonly #slot: number;
  readonly #writer = new ByteWriter();

  /** `slot` is the id of the rule's cube; all keys begin with it. */
  constructor(tables: { readonly series: KvTable; readonly snapshots: KvTable }, slot: number) {
    this.#series = tables.series;
    this.#snapshots = tables.snapshots;
    this.#slot = slot;
  }

  #prefix(key: string): ByteWriter {
    const writer = new ByteWriter().u32(this.#slot);
    for (const code of key.split(',')) writer.u32(Number(code));
    return writer;
  }

  /** All series, by the key of their group: its codes, joined by commas. */
  *all(): Iterable<readonly [string, SeriesState]> {
    const start = new ByteWriter().u32(this.#slot).copy();
    const end = new ByteWriter().u32(this.#slot + 1).copy();
    for (const { key, value } of this.#series.scan({ start, end })) {
      const reader = new ByteReader(key);
      reader.u32();
      const codes: number[] = [];
      while (reader.remaining > 0) codes.push(reader.u32());
      yield [codes.join(','), decodeSeries(value)];
    }
  }

  get(key: string): SeriesState | undefined {
    const value = this.#series.get(this.#prefix(key).view());
    return value === undefined ? undefined : decodeSeries(value);
  }

  put(key: string, series: SeriesState): void {
    this.#series.put(this.#prefix(key).copy(), encodeSeries(this.#writer, series));
  }

  remove(key: string): void {
    this.#series.remove(this.#prefix(key).view());
  }

  #snapshotKey(key: string, index: number): Uint8Array {
    return this.#prefix(key)
      .u48(index + INDEX_BIAS)
      .copy();
  }

  /** Keeps a series as it is before window `index`, where that is one to be kept; older ones go. */
  snapshot(key: string, index: number, end: number, series: SeriesState): void {
    if (index % SNAPSHOT_WINDOWS !== 0) return;
    const isDeep = index % DEEP_WINDOWS === 0;
    // Of many windows at once, only what is left in the end is written.
    if (!isDeep && index <= end - 2 * SNAPSHOT_WINDOWS) return;
    this.#snapshots.put(this.#snapshotKey(key, index), encodeSeries(this.#writer, series));
    const old = index - 2 * SNAPSHOT_WINDOWS;
    if (old % DEEP_WINDOWS !== 0) this.#snapshots.remove(this.#snapshotKey(key, old));
    if (isDeep) this.#snapshots.remove(this.#snapshotKey(key, index - 2 * DEEP_WINDOWS));
  }

  /**
   * The newest snapshot before or at window `index`, and later ones forgotten: they are to be made anew. undefined:
   * there is none, and nothing was forgotten unless `canBegin`.
   */
  rewind(key: string, index: number, canBegin: boolean): SeriesSnapshot | undefined {
    const start = this.#prefix(key).copy();
    const at = this.#snapshotKey(key, index + 1);
    let found: SeriesSnapshot | undefined;
    for (const row of this.#snapshots.scan({ start, end: at, reverse: true, limit: 1 })) {
      const place = new ByteReader(row.key.subarray(row.key.length - 6)).u48();
      found = { index: place - INDEX_BIAS, series: decodeSeries(row.value) };
    }
    if (found !== undefined || canBegin)
      this.#snapshots.removeRange({ start: at, end: this.#snapshotKey(key, INDEX_BIAS) });
    return found;
  }

  /** Forgets everything of the rule. */
  clear(): void {
    const range = {
      start: new ByteWriter().u32(this.#slot).copy(),
      end: new ByteWriter().u32(this.#slot + 1).copy(),
    };
    for (const table of [this.#series, this.#snapshots]) table.removeRange(range);
  }
}
