import { ByteReader, ByteWriter } from './bytes.ts';
import { type Codec, trustedJsonCodec } from './codec.ts';
import { invariant } from './errors.ts';
import { isKind, isObject, isPosition, MAX_QUERY_ROWS, wrongIn } from './interactive-check.ts';
import {
  keyPrefix,
  keysPrefix,
  ROWS_TABLE,
  readRowKey,
  readWindowKey,
  tableRowCodec,
  WINDOWS_TABLE,
  type WindowKey,
} from './interactive-layout.ts';
import { type KvReader, type KvView, prefixEnd } from './kv.ts';
import { META_TABLE, type Progress, readProgress } from './meta.ts';
import type { Position } from './source.ts';
import { readTopology } from './upgrade.ts';

export { MAX_QUERY_ROWS } from './interactive-check.ts';

/** The value of one key. */
export interface KeyQuery {
  readonly kind: 'key';
  readonly key: string;
}

/** Keys from `from` (inclusive) to `to` (exclusive) in the order of their UTF-8 bytes. */
export interface RangeQuery {
  readonly kind: 'range';
  readonly from?: string;
  readonly to?: string;
  /** In rows, 1 to `MAX_QUERY_ROWS`. */
  readonly limit: number;
}

/** Keys that begin with `prefix`. */
export interface PrefixQuery {
  readonly kind: 'prefix';
  readonly prefix: string;
  /** In rows, 1 to `MAX_QUERY_ROWS`. */
  readonly limit: number;
}

/** Windows of a key that start at `start_ms` or later and before `end_ms`, in the order of time. */
export interface WindowQuery {
  readonly kind: 'window';
  readonly key: string;
  readonly start_ms: number;
  /** Exclusive. */
  readonly end_ms: number;
  /** Of the windows that start at `start_ms` only those that end here or later: to go on where an answer ends. */
  readonly first_end_ms?: number;
  /** In rows, 1 to `MAX_QUERY_ROWS`, which it is by default. */
  readonly limit?: number;
}

/** Windows of all keys that start at `start_ms` or later and before `end_ms`, by key, then time. Reads every key. */
export interface WindowRangeQuery {
  readonly kind: 'windows';
  readonly start_ms: number;
  /** Exclusive. */
  readonly end_ms: number;
  /** The first window to look at: where an answer ended. */
  readonly from?: WindowKey;
  /** In rows, 1 to `MAX_QUERY_ROWS`. */
  readonly limit: number;
}

export type TableQuery = KeyQuery | RangeQuery | PrefixQuery | WindowQuery | WindowRangeQuery;

export type QueryFailure =
  /** The state has not applied the position that the query asks for: try again, or ask another copy. */
  | 'not_up_to_bound'
  /** Nothing of this name has ever been committed here. */
  | 'no_such_table'
  /** This table does not answer this kind of query. */
  | 'unknown_query'
  /** A limit or a bound makes no sense; the message says which. */
  | 'bad_query'
  /** The rows are not what the table's codec or version says. */
  | 'wrong_codec';

export interface FailedAnswer {
  readonly ok: false;
  readonly reason: QueryFailure;
  readonly message: string;
  /** What the state has applied; undefined before the first commit. */
  readonly position: Position | undefined;
}

interface Answered {
  readonly ok: true;
  /** The answer is the state after exactly these stream positions. */
  readonly position: Position;
  readonly watermark_ms: number | null;
}

export interface KeyAnswer<V> extends Answered {
  /** undefined: there is no row. */
  readonly value: V | undefined;
}

export interface KeyedValue<V> {
  readonly key: string;
  readonly value: V;
}

export interface RowsAnswer<V> extends Answered {
  readonly values: readonly KeyedValue<V>[];
  /** The limit was reached: the first key that is missing, to go on `from` with a range query. */
  readonly next: string | undefined;
}

export interface WindowedValue<V> extends WindowKey {
  readonly value: V;
}

export interface WindowsAnswer<V> extends Answered {
  readonly values: readonly WindowedValue<V>[];
  /** The limit was reached: the start of the first window that is missing, ms; go on from there. */
  readonly next_ms: number | undefined;
  /** And its end, for `first_end_ms`: windows that grow begin together. */
  readonly next_end_ms: number | undefined;
}

export interface WindowRangeAnswer<V> extends Answered {
  readonly values: readonly WindowedValue<V>[];
  /** The limit was reached: the first window that is missing, to go on `from`. */
  readonly next: WindowKey | undefined;
}

interface Answers<V> {
  readonly key: KeyAnswer<V>;
  readonly range: RowsAnswer<V>;
  readonly prefix: RowsAnswer<V>;
  readonly window: WindowsAnswer<V>;
  readonly windows: WindowRangeAnswer<V>;
}

export type AnswerTo<Q extends TableQuery, V> = FailedAnswer | Answers<V>[Q['kind']];

/** A table to query: its id in the store and how its values are stored. */
export interface QueryableTable<V> {
  /**
   * `<operator>/rows` (`toTable`), `<operator>/windows` (`toWindowTable`), or any other map table with
   * string keys and no TTL, such as `<operator>/state` of `process`. Without a `/` it is the operator's
   * `rows` or, where there are none, its `windows`.
   */
  readonly id: string;
  /** By default JSON. */
  readonly codec?: Codec<V>;
  /**
   * The scope within the table; '' (all of what `toTable`, `toWindowTable` and `process` write) by default. Where
   * an operator has all rows in other scopes, as `window` has, and none is given, the answer is `bad_query`.
   */
  readonly scope?: string;
  /** The schema version that the caller's codec reads; unchecked where it is not given. */
  readonly version?: number;
}

export interface QueryOptions {
  /** Answer only if at least this has been applied; positions of other streams and partitions say nothing here. */
  readonly position?: Position;
}

/**
 * Answers a query from one committed state, on any thread or process that can read it, without a word to
 * the pipeline. What can be expected to go wrong is an answer with a reason, never an exception; a store
 * that cannot be read does throw. The model is that of Kafka Streams' interactive queries v2 (KIP-796).
 */
export function queryTable<V, const Q extends TableQuery>(
  reader: KvReader,
  table: string | QueryableTable<V>,
  query: Q,
  options: QueryOptions = {},
): AnswerTo<Q, V> {
  const target: QueryableTable<V> = typeof table === 'string' ? { id: table } : table;
  const names = reader.tableNames();
  return reader.snapshot((open) => {
    const progress = readProgress(open(META_TABLE));
    const answer = new Answering(target, progress, open).run(names, query, options.position ?? {});
    // The kind of the answer follows from that of the query, which the compiler cannot see in a switch.
    return answer as AnswerTo<Q, V>;
  });
}

/** What has been applied of every stream, in the form of a bound for queries; of one with two readers, by both. */
export function positionOf(progress: Progress): Position {
  const position: Record<string, Record<string, number>> = {};
  for (const { stream, partition, sequence } of [progress, ...Object.values(progress.others ?? {})]) {
    const other = position[stream]?.[partition] ?? sequence;
    position[stream] = { ...position[stream], [partition]: Math.min(sequence, other) };
  }
  return position;
}

class Answering<V> {
  readonly #table: QueryableTable<V>;
  readonly #progress: Progress | undefined;
  readonly #open: (name: string) => KvView;
  readonly #scope: string;

  constructor(table: QueryableTable<V>, progress: Progress | undefined, open: (name: string) => KvView) {
    this.#table = table;
    this.#progress = progress;
    this.#open = open;
    this.#scope = table.scope ?? '';
  }

  run(names: readonly string[], query: TableQuery, bound: Position): AnswerTo<TableQuery, V> {
    if (!isObject(query)) return this.#failed('bad_query', 'A query is an object with a "kind".');
    if (!isPosition(bound)) {
      return this.#failed('bad_query', 'A position has a sequence for each partition of each stream.');
    }
    const behind = this.#behind(bound);
    if (behind !== undefined) return this.#failed('not_up_to_bound', behind);
    const id = this.#find(names);
    const progress = this.#progress;
    if (id === undefined || progress === undefined) {
      return this.#failed('no_such_table', `There is no table "${this.#table.id}" in this state.`);
    }
    const version = this.#wrongVersion(id);
    if (version !== undefined) return this.#failed('wrong_codec', version);
    const isWindowed = id.endsWith(`/${WINDOWS_TABLE}`);
    const asksWindows = query.kind === 'window' || query.kind === 'windows';
    if (!isKind(query.kind) || isWindowed !== asksWindows) {
      const answers = isWindowed ? 'window and windows' : 'key, range and prefix';
      return this.#failed('unknown_query', `Table "${id}" answers ${answers} queries, not "${query.kind}".`);
    }
    const wrong = wrongIn(query);
    if (wrong !== undefined) return this.#failed('bad_query', wrong);
    const place = { ok: true, position: positionOf(progress), watermark_ms: progress.watermark_ms } as const;
    try {
      const read = this.#read(id, query);
      const elsewhere = isEmpty(read) ? this.#elsewhere(id) : undefined;
      return elsewhere === undefined ? { ...place, ...read } : this.#failed('bad_query', elsewhere);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return this.#failed('wrong_codec', `Rows of "${id}" cannot be read with this codec: ${why}`);
    }
  }

  #failed(reason: QueryFailure, message: string): FailedAnswer {
    const position = this.#progress === undefined ? undefined : positionOf(this.#progress);
    return { ok: false, reason, message, position };
  }

  /** Why the state has not reached the bound; undefined when it has. */
  #behind(bound: Position): string | undefined {
    const progress = this.#progress;
    if (progress === undefined) {
      return Object.keys(bound).length > 0 ? 'Nothing has been committed yet.' : undefined;
    }
    for (const [stream, partitions] of Object.entries(positionOf(progress))) {
      for (const [partition, sequence] of Object.entries(partitions)) {
        const wanted = bound[stream]?.[partition];
        if (wanted === undefined || sequence >= wanted) continue;
        return `Stream "${stream}", partition ${partition} has been applied up to ${sequence}, the query asks for ${wanted}.`;
      }
    }
    return undefined;
  }

  #find(names: readonly string[]): string | undefined {
    const { id } = this.#table;
    const candidates = id.includes('/') ? [id] : [`${id}/${ROWS_TABLE}`, `${id}/${WINDOWS_TABLE}`];
    return candidates.find((name) => names.includes(name));
  }

  #wrongVersion(id: string): string | undefined {
    const { version } = this.#table;
    if (version === undefined) return undefined;
    const stored = readSchemaVersion(this.#open(META_TABLE), id);
    return stored === version ? undefined : `Table "${id}" has schema version ${stored}, not ${version}.`;
  }

  /** Why an empty answer would mislead: the operator keeps its rows in scopes, as a window does, and none was named. */
  #elsewhere(id: string): string | undefined {
    if (this.#table.scope !== undefined) return undefined;
    const operator = readTopology(this.#open(META_TABLE))?.nodes.find(({ name }) =>
      id.startsWith(`${name}/`),
    );
    if (operator === undefined) return undefined;
    // The empty scope comes before all others.
    for (const { key } of this.#open(id).scan({ limit: 1 })) {
      const scope = new ByteReader(key).orderedString();
      if (scope === '') return undefined;
      return `"${operator.name}" is of kind "${operator.kind}", which keeps its rows in scopes ("${scope}" for one). Make a table of what it emits with toTable or toWindowTable, or name the scope to read.`;
    }
    return undefined;
  }

  #read(id: string, query: TableQuery) {
    const view = this.#open(id);
    const codec = this.#table.codec ?? trustedJsonCodec<V>();
    if (query.kind === 'window') return this.#windows(view, codec, query);
    if (query.kind === 'windows') return this.#windowRange(view, codec, query);
    const rows = tableRowCodec(codec);
    const read = (bytes: Uint8Array): V | undefined =>
      id.endsWith(`/${ROWS_TABLE}`) ? readWhole(rows, bytes).value : readWhole(codec, bytes);
    if (query.kind === 'key') {
      const bytes = view.get(keyPrefix(this.#scope, query.key));
      return { value: bytes === undefined ? undefined : read(bytes) };
    }
    return this.#keys(view, read, query);
  }

  #keys(view: KvView, read: (bytes: Uint8Array) => V | undefined, query: RangeQuery | PrefixQuery) {
    const all = new ByteWriter().orderedString(this.#scope).copy();
    const { from, to } = query.kind === 'range' ? query : { from: undefined, to: undefined };
    const whole = query.kind === 'prefix' ? keysPrefix(this.#scope, query.prefix) : all;
    const start = from === undefined ? whole : keyPrefix(this.#scope, from);
    const end = to === undefined ? prefixEnd(whole) : keyPrefix(this.#scope, to);
    const values: KeyedValue<V>[] = [];
    for (const row of view.scan(end === undefined ? { start } : { start, end })) {
      const value = read(row.value);
      if (value === undefined) continue;
      const key = readRowKey(row.key);
      if (values.length === query.limit) return { values, next: key };
      values.push({ key, value });
    }
    return { values, next: undefined };
  }

  #windowRange(view: KvView, codec: Codec<V>, { start_ms, end_ms, from, limit }: WindowRangeQuery) {
    const scope = new ByteWriter().orderedString(this.#scope).copy();
    const windowAt = ({ key, start_ms: at_ms, end_ms: to_ms }: WindowKey): Uint8Array =>
      new ByteWriter().bytes(keyPrefix(this.#scope, key)).u48(at_ms).u48(to_ms).copy();
    const end = prefixEnd(scope);
    const range = {
      start: from === undefined ? scope : windowAt(from),
      ...(end === undefined ? {} : { end }),
    };
    const values: WindowedValue<V>[] = [];
    for (const row of view.scan(range)) {
      const key = readWindowKey(new ByteReader(row.key.subarray(scope.length)));
      if (key.start_ms < start_ms || key.start_ms >= end_ms) continue;
      if (values.length === limit) return { values, next: key };
      values.push({ ...key, value: readWhole(codec, row.value) });
    }
    return { values, next: undefined };
  }

  #windows(view: KvView, codec: Codec<V>, query: WindowQuery) {
    const prefix = keyPrefix(this.#scope, query.key);
    const { start_ms, end_ms, first_end_ms = 0 } = query;
    const at = (from_ms: number, to_ms: number): Uint8Array =>
      new ByteWriter().bytes(prefix).u48(from_ms).u48(to_ms).copy();
    const limit = query.limit ?? MAX_QUERY_ROWS;
    const scopeBytes = new ByteWriter().orderedString(this.#scope).length;
    const values: WindowedValue<V>[] = [];
    for (const row of view.scan({ start: at(start_ms, first_end_ms), end: at(end_ms, 0) })) {
      const key = readWindowKey(new ByteReader(row.key.subarray(scopeBytes)));
      if (values.length === limit) return { values, next_ms: key.start_ms, next_end_ms: key.end_ms };
      values.push({ ...key, value: readWhole(codec, row.value) });
    }
    return { values, next_ms: undefined, next_end_ms: undefined };
  }
}

function isEmpty(read: { value?: unknown; values?: readonly unknown[] }): boolean {
  return read.value === undefined && (read.values === undefined || read.values.length === 0);
}

function readWhole<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes);
  const value = codec.read(reader);
  invariant(reader.remaining === 0, 'a codec reads the whole of a row');
  return value;
}

function readSchemaVersion(meta: KvView, id: string): number | undefined {
  const bytes = meta.get(new ByteWriter().orderedString('schema').orderedString(id).copy());
  return bytes === undefined ? undefined : new ByteReader(bytes).varint();
}
