import {
  ByteReader,
  ByteWriter,
  type Codec,
  invariant,
  type KeyCodec,
  trustedJsonCodec,
} from '../base/index.ts';

/**
 * How queryable tables lie in the store, known to the operators that write them and to the queries. Rows
 * of all layouts begin with the scope and the key as ordered strings.
 */

/** The state table of an operator whose rows are `TableRow`s by key. */
export const ROWS_TABLE = 'rows';
/** The state table of an operator whose rows are values by key and window. */
export const WINDOWS_TABLE = 'windows';
/** The kind of operator that writes each of them; what others call so has a layout of their own. */
export const QUERYABLE_KINDS = { [ROWS_TABLE]: 'to-table', [WINDOWS_TABLE]: 'to-window-table' } as const;

/**
 * Exclusive: a window in a table starts before this, in the year 10854. From here on the first byte of the start
 * would be FF, which behind the end of a key says that the key goes on with a NUL.
 */
export const WINDOW_START_END_MS = 0xff * 2 ** 40;

export interface TableRow<V> {
  /** Event time of what wrote it; undefined where the table takes no notice of time. */
  readonly time_ms: number | undefined;
  /** undefined: deleted, and remembered so that an older value does not bring it back. */
  readonly value: V | undefined;
  /** Of several of one time the largest wins; absent where the table takes no notice of it. */
  readonly tie?: number;
}

const HAS_TIME = 1;
const HAS_VALUE = 2;
const HAS_TIE = 4;

/** A codec of rows knows that of their values: who reads a topology of others has only the first. */
interface TableRowCodec<V> extends Codec<TableRow<V>> {
  readonly content: Codec<V>;
}

/** The codec of the values in rows of this one. */
export function rowContent(rows: Codec<unknown>): Codec<unknown> {
  return 'content' in rows ? (rows as TableRowCodec<unknown>).content : trustedJsonCodec<unknown>();
}

export function tableRowCodec<V>(value: Codec<V>): TableRowCodec<V> {
  return {
    content: value,
    write: (writer, row) => {
      const { time_ms, value: content, tie } = row;
      const flag = (member: unknown, bit: number): number => (member === undefined ? 0 : bit);
      writer.u8(flag(time_ms, HAS_TIME) | flag(content, HAS_VALUE) | flag(tie, HAS_TIE));
      if (time_ms !== undefined) writer.f64(time_ms);
      if (tie !== undefined) writer.f64(tie);
      if (row.value !== undefined) value.write(writer, row.value);
    },
    read: (reader) => {
      const flags = reader.u8();
      const time_ms = (flags & HAS_TIME) === 0 ? undefined : reader.f64();
      const tie = (flags & HAS_TIE) === 0 ? {} : { tie: reader.f64() };
      return { time_ms, value: (flags & HAS_VALUE) === 0 ? undefined : value.read(reader), ...tie };
    },
  };
}

/** A key and one of its windows: [`start_ms`, `end_ms`), ms since the epoch. */
export interface WindowKey {
  readonly key: string;
  readonly start_ms: number;
  /** Exclusive. */
  readonly end_ms: number;
}

/** Caches look keys up by identity, so a window key is one string. */
export function windowRow({ key, start_ms, end_ms }: WindowKey): string {
  return `${start_ms}/${end_ms}/${key}`;
}

export function parseWindowRow(row: string): WindowKey {
  const first = row.indexOf('/');
  const second = row.indexOf('/', first + 1);
  return {
    start_ms: Number(row.slice(0, first)),
    end_ms: Number(row.slice(first + 1, second)),
    key: row.slice(second + 1),
  };
}

/** By key, then by start, then by end: the windows of a key lie together in the order of time. */
export const windowRowKey: KeyCodec<string> = {
  ordered: true,
  write: (writer, row) => {
    const { key, start_ms, end_ms } = parseWindowRow(row);
    writer.orderedString(key).u48(start_ms).u48(end_ms);
  },
  read: (reader) => windowRow(readWindowKey(reader)),
};

export function readWindowKey(reader: ByteReader): WindowKey {
  const key = reader.orderedString();
  const start_ms = reader.u48();
  return { key, start_ms, end_ms: reader.u48() };
}

/** The rows of one key of a scope begin with it. */
export function keyPrefix(scope: string, key: string): Uint8Array {
  return new ByteWriter().orderedString(scope).orderedString(key).copy();
}

/** Rows of the keys of a scope that begin with `prefix`: without the end mark of the string. */
export function keysPrefix(scope: string, prefix: string): Uint8Array {
  const bytes = keyPrefix(scope, prefix);
  return bytes.subarray(0, bytes.length - 1);
}

/** The key of a row of a scope. */
export function readRowKey(bytes: Uint8Array): string {
  const reader = new ByteReader(bytes);
  reader.orderedString();
  const key = reader.orderedString();
  invariant(reader.remaining === 0, 'the row is of a table with string keys');
  return key;
}

/** A row: a key and its value. */
export interface KeyedValue<V> {
  readonly key: string;
  readonly value: V;
}

/** A row of a window table: key, window, value. */
export interface WindowedValue<V> extends WindowKey {
  readonly value: V;
}
