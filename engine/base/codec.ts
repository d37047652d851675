import type { ByteReader, ByteWriter } from './bytes.ts';
import { differenceOf } from './difference.ts';

/** How a value becomes bytes and comes back. `read` must take exactly what `write` wrote. */
export interface Codec<T> {
  write(writer: ByteWriter, value: T): void;
  read(reader: ByteReader): T;
}

/** A codec whose bytes sort as the keys do. Keys are primitives, so that a cache can look them up. */
export interface KeyCodec<K extends string | number> extends Codec<K> {
  readonly ordered: true;
}

/** Text in the order of its UTF-8 bytes. */
export const stringKey: KeyCodec<string> = {
  ordered: true,
  write: (writer, value) => void writer.orderedString(value),
  read: (reader) => reader.orderedString(),
};

/** Integers 0..2^48-1: counters, times in ms. */
export const uintKey: KeyCodec<number> = {
  ordered: true,
  write: (writer, value) => void writer.u48(value),
  read: (reader) => reader.u48(),
};

/** Text as UTF-8. */
export const stringCodec: Codec<string> = {
  write: (writer, value) => void writer.string(value),
  read: (reader) => reader.string(),
};

/** Any safe integer, small ones in one byte. */
export const intCodec: Codec<number> = {
  write: (writer, value) => void writer.zigzag(value),
  read: (reader) => reader.zigzag(),
};

/** Any double, in eight bytes. */
export const floatCodec: Codec<number> = {
  write: (writer, value) => void writer.f64(value),
  read: (reader) => reader.f64(),
};

/** Any bigint, as its digits. */
export const bigintCodec: Codec<bigint> = {
  write: (writer, value) => void writer.string(value.toString()),
  read: (reader) => BigInt(reader.string()),
};

/**
 * Values as JSON, checked by `parse` when read back. NaN, the infinities, bigints and what is undefined in an array are
 * kept too, as text behind a mark, for state that is read back must not differ from what was in memory. What else JSON
 * does not know is lost: a Date becomes a string, a Map empty, -0 is 0. A task refuses such state (`state_not_kept`).
 * For control data, not for the hot path.
 */
export function jsonCodec<T>(parse: (value: unknown) => T): Codec<T> {
  return {
    write: (writer, value) => {
      const text = textOf(value);
      if (watched !== undefined) watched.lost ??= differenceOf(value, read(text));
      writer.string(text);
    },
    read: (reader) => {
      return parse(read(reader.string()));
    },
  };
}

function read(text: string): unknown {
  return text.includes(MARK_TEXT) ? JSON.parse(text, revived) : JSON.parse(text);
}

let watched: { lost: string | undefined } | undefined;

/** What of the values that `write` writes as JSON would be another one when it is read; undefined for nothing. */
export function watchingJson(write: () => void): string | undefined {
  const watching: { lost: string | undefined } = { lost: undefined };
  watched = watching;
  try {
    write();
  } finally {
    watched = undefined;
  }
  return watching.lost;
}

/** Begins what stands for a value that JSON does not know, and doubled a text that begins with it itself. */
const MARK = '\u0000';
/** As `JSON.stringify` writes it. */
const MARK_TEXT = '\\u0000';
const UNKNOWN: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  [`${MARK}NaN`, Number.NaN],
  [`${MARK}Infinity`, Number.POSITIVE_INFINITY],
  [`${MARK}-Infinity`, Number.NEGATIVE_INFINITY],
  [`${MARK}undefined`, undefined],
]);

/** A bigint, behind its mark. */
const BIGINT = /^-?\d+n$/;

function textOf(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // It throws at a bigint, and at what holds itself, which this throws at again.
    return JSON.stringify(value, marked);
  }
  if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON`);
  // What JSON does not know it makes null. A replacer takes several times as long, so it has to be worth it.
  const isSuspect = text.includes('null') || text.includes(MARK_TEXT);
  return isSuspect && needsMark(value) ? JSON.stringify(value, marked) : text;
}

function needsMark(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value === 'string') return value.startsWith(MARK);
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some((item) => item === undefined || needsMark(item));
  return 'toJSON' in value || Object.values(value).some(needsMark);
}

function marked(this: unknown, _: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${MARK}${value}n`;
  if (typeof value === 'number') return Number.isFinite(value) ? value : `${MARK}${value}`;
  if (typeof value === 'string') return value.startsWith(MARK) ? `${MARK}${value}` : value;
  return value === undefined && Array.isArray(this) ? `${MARK}undefined` : value;
}

function revived(this: unknown, _: string, value: unknown): unknown {
  // What a reviver says is undefined is taken out: an array gets it back.
  if (Array.isArray(value)) return Array.from(value);
  if (typeof value !== 'string' || !value.startsWith(MARK)) return value;
  if (BIGINT.test(value.slice(MARK.length))) return BigInt(value.slice(MARK.length, -1));
  return value.startsWith(MARK + MARK) ? value.slice(1) : UNKNOWN.has(value) ? UNKNOWN.get(value) : value;
}

/** Values that the caller trusts to be what it wrote: JSON, as `jsonCodec` keeps it. */
export function trustedJsonCodec<T>(): Codec<T> {
  return jsonCodec((value) => value as T);
}
