import {
  ByteWriter,
  type Codec,
  defineOperator,
  type KvView,
  type MapSpec,
  MillraceError,
  mapTable,
  type Operator,
  type OperatorDoc,
  type QueryableTable,
  ROWS_TABLE,
  stringKey,
  type TableRow,
  type TableSpecs,
  tableRowCodec,
  trustedJsonCodec,
} from '../../engine/index.ts';
import {
  checkedKey,
  checkedTie,
  checkedTime,
  isRetraction,
  isTombstone,
  migrationOf,
} from '../core/index.ts';
import { Deletions, forgottenTable } from './deletions.ts';

/** How the values of a table are stored, and what becomes of those of an older version. */
export interface TableOptions<V> {
  /** How values are stored. By default JSON, trusted to be what was written. */
  readonly codec?: Codec<V>;
  /** Raise it when the stored values change meaning, and say with `migrate` what becomes of older ones. */
  readonly version?: number;
  /** Makes a value of this version of one of an older version, at the first start; without it that start refuses. */
  readonly migrate?: (old: unknown, fromVersion: number) => V;
  /** How values of an older version were stored. By default as those of this one are. */
  readonly formerCodec?: (fromVersion: number) => Codec<unknown>;
  /** Rows kept in memory. */
  readonly cacheRows?: number;
}

/** Configuration of `toTable`: the row of an item, and which of several items wins. */
export interface ToTableConfig<A, V = A> extends TableOptions<V> {
  readonly keyOf: (item: A) => string;
  /**
   * What the item puts into its key's row; undefined deletes the row. By default the item itself; one with
   * `kind: 'tombstone'`, and without `timeOf` one with `kind: 'retract'`, then deletes the row.
   */
  readonly value?: (item: A) => V | undefined;
  /** With it the newest by event time wins, whatever the order of arrival; without it the last to arrive. */
  readonly timeOf?: (item: A) => number;
  /**
   * Of items of one time the one with the largest number wins, e.g. with its sequence in the stream the last to be
   * published. Without it a deletion wins, then the one whose stored bytes are larger.
   */
  readonly tieOf?: (item: A) => number;
  /**
   * How long after the watermark has passed a deletion it is remembered, so that an older item does not bring its key
   * back, ms; Infinity: for ever. Default 0. Once one is forgotten, items of new keys that are not newer go to `late`.
   */
  readonly rememberDeletions_ms?: number;
}

/** A row became another one. */
export interface TableChange<V> {
  readonly key: string;
  /** undefined: there was no row. */
  readonly before: V | undefined;
  /** undefined: the row is deleted. */
  readonly after: V | undefined;
}

/** What may be older than a deletion that is no longer remembered. */
type Late<A> = { readonly late: A };

interface Tables<V> extends TableSpecs {
  readonly [ROWS_TABLE]: MapSpec<string, TableRow<V>>;
  readonly forgotten: MapSpec<string, number>;
}

export const toTableDoc: OperatorDoc = {
  kind: 'to-table',
  summary: 'A table by key that other threads and processes can query',
};

/**
 * A queryable table of the newest value by key; emits its changes. Query it with
 * `queryTable(reader, tableOf('name', codec), …)`.
 */
export function toTable<A, V = A>(
  name: string,
  config: ToTableConfig<NoInfer<A>, V>,
): Operator<A, TableChange<V>, Late<A>>;
export function toTable<A, V = A>(
  name: string,
  config: ToTableConfig<A, V>,
): Operator<A, TableChange<V>, Late<A>>;
export function toTable<A, V = A>(
  name: string,
  config: ToTableConfig<A, V>,
): Operator<A, TableChange<V>, Late<A>> {
  const { timeOf, tieOf, rememberDeletions_ms = 0 } = config;
  if (timeOf === undefined && (tieOf !== undefined || rememberDeletions_ms !== 0)) {
    throw bad(name, 'has tieOf or rememberDeletions_ms, which say something of times: give it timeOf.');
  }
  if (!(rememberDeletions_ms >= 0)) throw bad(name, 'needs ms, 0 or more, as rememberDeletions_ms.');
  return make<A, V>()(name, config);
}

function bad(name: string, what: string): MillraceError {
  return new MillraceError('bad_config', `"${name}" ${what}`);
}

/** The table that `toTable` of this name writes, for `queryTable`; with a version it is refused where it has another one. */
export function tableOf<V>(name: string, codec?: Codec<V>, version?: number): QueryableTable<V> {
  return {
    id: `${name}/${ROWS_TABLE}`,
    ...(codec === undefined ? {} : { codec }),
    ...(version === undefined ? {} : { version }),
  };
}

function specOf<V>(options: TableOptions<V>): MapSpec<string, TableRow<V>> {
  const { codec, version = 1, cacheRows } = options;
  return mapTable({
    key: stringKey,
    value: tableRowCodec(codec ?? trustedJsonCodec<V>()),
    version,
    ...migrationOf<V, TableRow<V>>(options, tableRowCodec),
    ...(cacheRows === undefined ? {} : { cacheRows }),
  });
}

const make = <A, V>() =>
  defineOperator<A, TableChange<V>, ToTableConfig<A, V>, Tables<V>, Late<A>>({
    kind: toTableDoc.kind,
    summary: toTableDoc.summary,
    state: (config) => ({ [ROWS_TABLE]: specOf(config), forgotten: forgottenTable() }),
    sides: ['late'],
    // By time a retraction and what follows it would have no order.
    retractions: ({ value, timeOf }) => (value === undefined && timeOf !== undefined ? 'refuses' : 'takes'),
    start: ({ name, config, state, view, metrics, timers, initialWatermark_ms, emit, emitTo }) => {
      const { keyOf, value: valueFrom, timeOf, tieOf } = config;
      const rows = state[ROWS_TABLE].scope('');
      const toValue = valueFrom ?? itself<A, V>(timeOf === undefined);
      const isNewer = newerBy(config.codec ?? trustedJsonCodec<V>());
      const lateItems = metrics.counter(
        'millrace.to_table.late',
        'Items that may be older than a forgotten deletion',
        { operator: name },
      );
      const deletions = new Deletions(
        { rows, forgotten: state.forgotten.scope(''), timers },
        config.rememberDeletions_ms ?? 0,
        initialWatermark_ms ?? Number.NEGATIVE_INFINITY,
      );
      // State of before it was kept: any deletion that the watermark has passed may have been forgotten.
      if (timeOf !== undefined) deletions.begin(() => !hasRows(view(`${name}/${ROWS_TABLE}`)));

      const rowOf = (item: A): TableRow<V> => {
        const time_ms = timeOf === undefined ? undefined : checkedTime(timeOf(item), name);
        const value = toValue(item);
        return tieOf === undefined
          ? { time_ms, value }
          : { time_ms, value, tie: checkedTie(tieOf(item), name) };
      };

      return {
        onBatch: (items) => {
          const changes: TableChange<V>[] = [];
          const late: A[] = [];
          for (const item of items) {
            const key = checkedKey(keyOf(item));
            const row = rowOf(item);
            const known = rows.get(key);
            if (known === undefined && deletions.mayHaveForgotten(row)) {
              late.push(item);
              continue;
            }
            if (known !== undefined && !isNewer(row, known)) continue;
            if (row.value === undefined) deletions.remember(key, row);
            else rows.set(key, row);
            if (known?.value !== undefined || row.value !== undefined) {
              changes.push({ key, before: known?.value, after: row.value });
            }
          }
          lateItems.add(late.length);
          emitTo('late', late);
          emit(changes);
        },
        onTimer: (time_ms, key) => deletions.onTimer(time_ms, key),
        onWatermark: (time_ms) => deletions.onWatermark(time_ms),
      };
    },
  });

function hasRows(rows: KvView): boolean {
  for (const _ of rows.scan()) return true;
  return false;
}

/** Without `value` the item is the value. By time a retraction and what follows it would have no order. */
function itself<A, V>(deletesRetracted: boolean): (item: A) => V | undefined {
  const isDeletion = (item: A): boolean => isTombstone(item) || (deletesRetracted && isRetraction(item));
  return (item) => (isDeletion(item) ? undefined : (item as unknown as V));
}

/** Whether a row replaces the known one; an equal one does not. */
function newerBy<V>(codec: Codec<V>): (row: TableRow<V>, known: TableRow<V>) => boolean {
  const bytesOf = (value: V): Uint8Array => {
    const writer = new ByteWriter();
    codec.write(writer, value);
    return writer.view();
  };
  return (row, known) => {
    // A table may have been kept by time before, and by arrival from now on, or the other way round.
    const isSameTime = row.time_ms === undefined || row.time_ms === known.time_ms;
    if (!isSameTime) return known.time_ms === undefined || (row.time_ms as number) > known.time_ms;
    // Rows that were written without one are before all others.
    if (row.tie !== undefined && row.tie !== known.tie) return row.tie > (known.tie ?? -Number.MAX_VALUE);
    if (known.value === undefined) return row.time_ms === undefined && row.value !== undefined;
    if (row.value === undefined) return true;
    const order = Buffer.compare(bytesOf(row.value), bytesOf(known.value));
    return row.time_ms === undefined ? order !== 0 : order > 0;
  };
}
