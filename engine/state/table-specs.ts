import type { Codec, KeyCodec } from '../base/index.ts';
import type { KvEntry, KvView } from './kv.ts';
import type { Ttl } from './ttl.ts';

/**
 * A table's logical rows as bytes, in an order that depends on content only. `sibling` is another table of
 * the same operator, by name, or of another one, by id.
 */
export type LogicalRows = (
  view: KvView,
  watermark_ms: number,
  sibling: (table: string) => KvView,
) => Iterable<Uint8Array>;

/** A table of values by key, cached while it is used, written at barriers. Made by `mapTable`. */
export interface MapSpec<K extends string | number, V> {
  readonly kind: 'map';
  readonly key: KeyCodec<K>;
  readonly value: Codec<V>;
  /** Raise it when the value's bytes change meaning. */
  readonly version: number;
  /**
   * Turns a value of an older version into this one's; without it an older table is refused. The bytes are those
   * that the codec of then wrote: `decodeRow(oldCodec, bytes)`.
   */
  readonly migrate?: (bytes: Uint8Array, fromVersion: number) => V;
  readonly ttl?: Ttl;
  /** Clean rows kept in memory, in rows. */
  readonly cacheRows?: number;
  /** Its operator changes values that it was given, and sets them where that matters: tests do not look for that. */
  readonly changesInPlace?: true;
  /**
   * For the digest, where a value's bytes also tell of the way: gives the content only, e.g. a list that
   * grows in the order of arrival as a sorted one. May change `value`, which nobody else holds.
   */
  readonly logical?: (value: V) => V;
  /** For the digest, where also the division into rows tells of the way; instead of the rows as they lie. */
  readonly logicalRows?: LogicalRows;
}

/** A table of bytes by bytes that its operator reads and writes itself, at barriers only. Made by `rawTable`. */
export interface RawSpec {
  readonly kind: 'raw';
  readonly version: number;
  /** Without it the rows are taken as they lie: right for a table whose layout is a function of its content. */
  readonly logicalRows?: LogicalRows;
  /** Reads what rows say of each other, for `state verify`; throws what is wrong. `sibling` as of `LogicalRows`. */
  readonly verify?: (view: KvView, sibling: (table: string) => KvView) => void;
  /** For people who look into the state; without it they see text, JSON or hex. */
  readonly describeRow?: (row: KvEntry) => DescribedRow;
}

/** A row as people and JSON can read it. */
export interface DescribedRow {
  /** Whose it is, e.g. a tenant. */
  readonly scope?: string;
  readonly key: string | number;
  readonly value: unknown;
}

/** What can be said of a table without its codecs. */
export interface TableDescription {
  readonly kind: string;
  readonly version: number;
  /** It turns rows of older versions into its own. */
  readonly migrates?: boolean;
}

// The variance of codecs needs a wide constraint; `TablesOf` gives each table its exact type.
/** The tables of an operator by name. Another `version` needs a `migrate`, or the start refuses the state. */
export type TableSpecs = Readonly<Record<string, { readonly kind: 'map' | 'raw'; readonly version: number }>>;

export function describeTable(spec: TableSpecs[string]): TableDescription {
  const { kind, version } = spec;
  const migrates = 'migrate' in spec && spec.migrate !== undefined;
  return { kind, version, ...(migrates ? { migrates } : {}) };
}

/** A table of values by key: typed, cached, written once a commit. Declare it in an operator's `state`. */
export function mapTable<K extends string | number, V>(spec: Omit<MapSpec<K, V>, 'kind'>): MapSpec<K, V> {
  return { kind: 'map', ...spec };
}

/** A table whose operator lays out bytes itself: bulk data, composite ranges. */
export function rawTable(spec: Omit<RawSpec, 'kind'>): RawSpec {
  return { kind: 'raw', ...spec };
}
