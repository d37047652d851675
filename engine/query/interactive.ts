import { ByteReader, type Codec, trustedJsonCodec } from '../base/index.ts';
import type { Position } from '../edges/index.ts';
import { type KvReader, type KvView, schemaKey } from '../state/index.ts';
import { META_TABLE, type Progress, readProgress, readTopology } from '../task/index.ts';
import { isKind, isObject, isPosition, wrongIn, wrongInTable } from './interactive-check.ts';
import {
  type KeyedValue,
  QUERYABLE_KINDS,
  ROWS_TABLE,
  tableRowCodec,
  WINDOWS_TABLE,
  type WindowedValue,
  type WindowKey,
} from './interactive-layout.ts';
import { readWhole, ScopeRows, UnreadableRow } from './interactive-read.ts';

export { MAX_QUERY_ROWS } from './interactive-check.ts';
export { MAX_SKIPPED_ROWS } from './interactive-read.ts';

/** The value of one key. */
export interface KeyQuery {
  readonly kind: 'key';
  readonly key: string;
}

interface Directed {
  /** The rows in the opposite order, the limit counted from that end; the bounds mean what they mean without. */
  readonly reverse?: boolean;
}

/** Keys from `from` (inclusive) to `to` (exclusive) in the order of their UTF-8 bytes. */
export interface RangeQuery extends Directed {
  readonly kind: 'range';
  readonly from?: string;
  readonly to?: string;
  /** In rows, 1 to `MAX_QUERY_ROWS`. */
  readonly limit: number;
}

/** Keys that begin with `prefix`, all or those from `from` (inclusive) to `to` (exclusive). */
export interface PrefixQuery extends Directed {
  readonly kind: 'prefix';
  readonly prefix: string;
  readonly from?: string;
  readonly to?: string;
  /** In rows, 1 to `MAX_QUERY_ROWS`. */
  readonly limit: number;
}

/** Windows of a key that start at `start_ms` or later and before `end_ms`, in the order of time. */
export interface WindowQuery extends Directed {
  readonly kind: 'window';
  readonly key: string;
  readonly start_ms: number;
  /** Exclusive. */
  readonly end_ms: number;
  /** Of the windows that start at `start_ms` only those that end here or later: to go on where an answer ends. */
  readonly first_end_ms?: number;
  /** Also the windows that start at `end_ms` and end before this: to go on where an answer in reverse ends. */
  readonly before_end_ms?: number;
  /** In rows, 1 to `MAX_QUERY_ROWS`, which it is by default. */
  readonly limit?: number;
}

/**
 * Windows of all keys that start at `start_ms` or later and before `end_ms`, by key, then time. Visits every key
 * up to where the limit is reached, and of the windows of a key outside that time a few, whatever their number.
 */
export interface WindowRangeQuery extends Directed {
  readonly kind: 'windows';
  readonly start_ms: number;
  /** Exclusive. */
  readonly end_ms: number;
  /** The first window to look at: where an answer ended. */
  readonly from?: WindowKey;
  /** Exclusive: where an answer in reverse ended. */
  readonly to?: WindowKey;
  /** In rows, 1 to `MAX_QUERY_ROWS`. */
  readonly limit: number;
}

/**
 * What can be asked of a table: one key, a range or a prefix of keys, the windows of one key, or the windows of all.
 */
export type TableQuery = KeyQuery | RangeQuery | PrefixQuery | WindowQuery | WindowRangeQuery;

/**
 * Why a query has no answer: the state is not as far as was asked for, there is no such table, the kind of query is
 * not known, its bounds or its limit are wrong, or the rows were written by another codec.
 */
export type QueryFailure =
  /** The state has not applied the position that the query asks for: try again, or ask another copy. */
  | 'not_up_to_bound'
  /** Nothing of this name has been committed here, or its operator was given up since. */
  | 'no_such_table'
  /** This table does not answer this kind of query. */
  | 'unknown_query'
  /** The query, the table's name or the position makes no sense; the message says what of it. */
  | 'bad_query'
  /** The rows are not what the table's codec or version says. */
  | 'wrong_codec';

/** No answer, and why. `message` is a sentence for a person, `reason` a code for a program. */
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

/** Answer to `{ kind: "key" }`: the value, or undefined where the key has none. */
export interface KeyAnswer<V> extends Answered {
  /** undefined: there is no row. */
  readonly value: V | undefined;
}

/** Answer to `range` and `prefix`: rows in the order of their keys. */
export interface RowsAnswer<V> extends Answered {
  readonly values: readonly KeyedValue<V>[];
  /**
   * The limit was reached and rows are missing: ask again with this as `from`. In reverse it is the last key of
   * this answer: ask again with it as `to`.
   */
  readonly next: string | undefined;
}

/** Answer to `{ kind: "window" }`: the windows of one key, by start and end. */
export interface WindowsAnswer<V> extends Answered {
  readonly values: readonly WindowedValue<V>[];
  /**
   * The limit was reached: the start of the first window that is missing, ms, to go on with as `start_ms`. In
   * reverse it is that of the last window of this answer, to go on with as `end_ms`.
   */
  readonly next_ms: number | undefined;
  /** And its end, for `first_end_ms`, in reverse for `before_end_ms`: windows that grow begin together. */
  readonly next_end_ms: number | undefined;
}

/** Answer to `{ kind: "windows" }`: windows of all keys, by start, end and key. */
export interface WindowRangeAnswer<V> extends Answered {
  readonly values: readonly WindowedValue<V>[];
  /**
   * The limit was reached: the first window that is missing, to go on with as `from`. In reverse it is the last
   * window of this answer, to go on with as `to`.
   */
  readonly next: WindowKey | undefined;
}

interface Answers<V> {
  readonly key: KeyAnswer<V>;
  readonly range: RowsAnswer<V>;
  readonly prefix: RowsAnswer<V>;
  readonly window: WindowsAnswer<V>;
  readonly windows: WindowRangeAnswer<V>;
}

/** The answer to one query: of its kind, or why there is none. `ok` tells them apart. */
export type AnswerTo<Q extends TableQuery, V> = FailedAnswer | Answers<V>[Q['kind']];

/** A table to query: its id in the store and how its values are stored. */
export interface QueryableTable<V> {
  /**
   * `<operator>/rows` (`toTable`), `<operator>/windows` (`toWindowTable`), or any other map table with
   * string keys and no TTL, such as `<operator>/state` of `keyedProcess`. The name of an operator is its `rows`
   * or, where there are none, its `windows`.
   */
  readonly id: string;
  /** By default JSON. */
  readonly codec?: Codec<V>;
  /**
   * The scope within the table; '' (all of what `toTable`, `toWindowTable` and `keyedProcess` write) by default. Where
   * an operator has all rows in other scopes, as `window` has, and none is given, the answer is `bad_query`.
   */
  readonly scope?: string;
  /** The schema version that the caller's codec reads; unchecked where it is not given. */
  readonly version?: number;
}

/** How fresh an answer has to be. */
export interface QueryOptions {
  /** Answer only if at least this has been applied. Other streams in it say nothing here, but one of them has to be this state's. */
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
  return reader.snapshot((open) => {
    const meta = open(META_TABLE);
    const progress = readProgress(meta);
    const kinds = kindsOf(reader, progress, meta);
    const answer = new Answering(target, progress, kinds, open).run(query, options);
    // The kind of the answer follows from that of the query, which the compiler cannot see in a switch.
    return answer as AnswerTo<Q, V>;
  });
}

/** The kinds of the operators that wrote a state, by name. */
type Kinds = ReadonlyMap<string, string>;

interface KnownKinds {
  readonly commit: number;
  readonly kinds: Kinds;
}

/** Of the last state that each reader was asked of: a topology is read once a commit, not with each query. */
const knownKinds = new WeakMap<KvReader, KnownKinds>();

function kindsOf(reader: KvReader, progress: Progress | undefined, meta: KvView): Kinds {
  const commit = progress?.commit ?? -1;
  const known = knownKinds.get(reader);
  if (known?.commit === commit) return known.kinds;
  const kinds = new Map(readTopology(meta)?.nodes.map(({ name, kind }) => [name, kind]) ?? []);
  knownKinds.set(reader, { commit, kinds });
  return kinds;
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

/** How the rows of a table lie: those of `toTable`, those of `toWindowTable`, or the values as they are. */
type Layout = typeof ROWS_TABLE | typeof WINDOWS_TABLE | 'values';

interface Found {
  readonly id: string;
  readonly version: number;
  readonly operator: string;
  readonly layout: Layout;
}

class Answering<V> {
  readonly #table: QueryableTable<V>;
  readonly #progress: Progress | undefined;
  readonly #kinds: Kinds;
  readonly #open: (name: string) => KvView;

  constructor(
    table: QueryableTable<V>,
    progress: Progress | undefined,
    kinds: Kinds,
    open: (name: string) => KvView,
  ) {
    this.#table = table;
    this.#progress = progress;
    this.#kinds = kinds;
    this.#open = open;
  }

  run(query: TableQuery, options: QueryOptions): AnswerTo<TableQuery, V> {
    const odd = wrongInTable(this.#table);
    if (odd !== undefined) return this.#failed('bad_query', odd);
    if (!isObject(query)) return this.#failed('bad_query', 'A query is an object with a "kind".');
    if (!isObject(options)) return this.#failed('bad_query', 'Options are an object with a "position".');
    const { position: bound = {} } = options;
    if (!isPosition(bound)) {
      return this.#failed('bad_query', 'A position has a sequence for each partition of each stream.');
    }
    const unknown = this.#unknownIn(bound);
    if (unknown !== undefined) return this.#failed('bad_query', unknown);
    const behind = this.#behind(bound);
    if (behind !== undefined) return this.#failed('not_up_to_bound', behind);
    const found = this.#find();
    const progress = this.#progress;
    if (found === undefined || progress === undefined) {
      return this.#failed('no_such_table', `There is no table "${this.#table.id}" in this state.`);
    }
    const { version = found.version } = this.#table;
    if (version !== found.version) {
      const message = `Table "${found.id}" has schema version ${found.version}, not ${version}.`;
      return this.#failed('wrong_codec', message);
    }
    const { kind } = query;
    const asksWindows = kind === 'window' || kind === 'windows';
    if (!isKind(kind) || (found.layout === WINDOWS_TABLE) !== asksWindows) {
      const answers = found.layout === WINDOWS_TABLE ? 'window and windows' : 'key, range and prefix';
      const asked = typeof kind === 'string' ? `"${kind}"` : 'what has no kind';
      return this.#failed('unknown_query', `Table "${found.id}" answers ${answers} queries, not ${asked}.`);
    }
    const wrong = wrongIn(query);
    return wrong === undefined ? this.#answer(found, query, progress) : this.#failed('bad_query', wrong);
  }

  #answer(found: Found, query: TableQuery, progress: Progress): AnswerTo<TableQuery, V> {
    const place = { ok: true, position: positionOf(progress), watermark_ms: progress.watermark_ms } as const;
    try {
      const read = this.#read(found, query);
      const elsewhere = isEmpty(read) ? this.#elsewhere(found) : undefined;
      return elsewhere === undefined ? { ...place, ...read } : this.#failed('bad_query', elsewhere);
    } catch (error) {
      if (!(error instanceof UnreadableRow)) throw error;
      const message = `Rows of "${found.id}" cannot be read with this codec: ${error.message}`;
      return this.#failed('wrong_codec', message);
    }
  }

  #failed(reason: QueryFailure, message: string): FailedAnswer {
    const position = this.#progress === undefined ? undefined : positionOf(this.#progress);
    return { ok: false, reason, message, position };
  }

  /** A bound may speak of other tasks' streams too, but one that knows none of ours would hold nothing back. */
  #unknownIn(bound: Position): string | undefined {
    const asked = Object.keys(bound);
    const known = this.#progress === undefined ? asked : Object.keys(positionOf(this.#progress));
    if (asked.length === 0 || asked.some((stream) => known.includes(stream))) return undefined;
    return `The position names ${asked.join(', ')}; this state is of ${known.join(', ')}.`;
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

  /** The stored version says that there is a table, in the snapshot that the rows are read from. */
  #find(): Found | undefined {
    const meta = this.#open(META_TABLE);
    const { id } = this.#table;
    for (const name of [id, `${id}/${ROWS_TABLE}`, `${id}/${WINDOWS_TABLE}`]) {
      const version = meta.get(schemaKey(name));
      if (version === undefined) continue;
      const end = name.lastIndexOf('/');
      const operator = name.slice(0, Math.max(0, end));
      const layout = this.#layoutOf(operator, name.slice(end + 1));
      return { id: name, version: new ByteReader(version).varint(), operator, layout };
    }
    return undefined;
  }

  #layoutOf(operator: string, table: string): Layout {
    if (table !== ROWS_TABLE && table !== WINDOWS_TABLE) return 'values';
    const kind = this.#kinds.get(operator);
    return kind === undefined || kind === QUERYABLE_KINDS[table] ? table : 'values';
  }

  /** Why an empty answer would mislead: the operator keeps its rows in scopes, as a window does, and none was named. */
  #elsewhere({ id, operator }: Found): string | undefined {
    const kind = this.#kinds.get(operator);
    if (this.#table.scope !== undefined || kind === undefined) return undefined;
    // The empty scope comes before all others.
    for (const { key } of this.#open(id).scan({ limit: 1 })) {
      const scope = new ByteReader(key).orderedString();
      if (scope === '') return undefined;
      return (
        `"${operator}" is of kind "${kind}", which keeps its rows in scopes ("${scope}" for one). Make a ` +
        'table of what it emits with toTable or toWindowTable, or name the scope to read.'
      );
    }
    return undefined;
  }

  #read({ id, layout }: Found, query: TableQuery) {
    const codec = this.#table.codec ?? trustedJsonCodec<V>();
    const rows = tableRowCodec(codec);
    const read = (bytes: Uint8Array): V | undefined =>
      layout === ROWS_TABLE ? readWhole(rows, bytes).value : readWhole(codec, bytes);
    const scope = new ScopeRows(this.#open(id), this.#table.scope ?? '', read);
    switch (query.kind) {
      case 'key':
        return scope.get(query.key);
      case 'window':
        return scope.windows(query);
      case 'windows':
        return scope.windowRange(query);
      default:
        return scope.keys(query);
    }
  }
}

function isEmpty(read: { value?: unknown; values?: readonly unknown[] }): boolean {
  return read.value === undefined && (read.values === undefined || read.values.length === 0);
}
