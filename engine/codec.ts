import type { ByteReader, ByteWriter } from './bytes.ts';

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

/** Values as JSON, checked by `parse` when read back. For control data, not for the hot path. */
export function jsonCodec<T>(parse: (value: unknown) => T): Codec<T> {
  return {
    write: (writer, value) => void writer.string(JSON.stringify(value)),
    read: (reader) => parse(JSON.parse(reader.string())),
  };
}

/** Values that the caller trusts to be what it wrote. */
export function trustedJsonCodec<T>(): Codec<T> {
  return jsonCodec((value) => value as T);
}
