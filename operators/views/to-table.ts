import {
  ByteWriter,
  type Codec,
  defineOperator,
  type MapSpec,
  mapTable,
  type Operator,
  type OperatorDoc,
  type QueryableTable,
  ROWS_TABLE,
  stringKey,
  type TableRow,
  tableRowCodec,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { checkedTime, isRetraction, migrationOf } from '../core/index.ts';

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

export interface ToTableConfig<A, V = A> extends TableOptions<V> {
  readonly keyOf: (item: A) => string;
  /**
   * What the item puts into its key's row; undefined deletes the row. By default the item itself; without `timeOf`
   * an item with `kind: 'retract'` then deletes the row.
   */
  readonly value?: (item: A) => V | undefined;
  /** With it the newest by event time wins, whatever the order of arrival; without it the last to arrive. */
  readonly timeOf?: (item: A) => number;
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
  return make<A, V>()(name, config);
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
  defineOperator<
    A,
    TableChange<V>,
    ToTableConfig<A, V>,
    { readonly [ROWS_TABLE]: MapSpec<string, TableRow<V>> },
    Late<A>
  >({
    kind: toTableDoc.kind,
    summary: toTableDoc.summary,
    state: (config) => ({ [ROWS_TABLE]: specOf(config) }),
    sides: ['late'],
    start: ({ name, config, state, metrics, timers, initialWatermark_ms, emit, emitTo }) => {
      const { keyOf, value: valueFrom, timeOf } = config;
      const rows = state[ROWS_TABLE].scope('');
      const toValue = valueFrom ?? itself<A, V>(timeOf === undefined);
      const isNewer = newerBy(config.codec ?? trustedJsonCodec<V>());
      const lateItems = metrics.counter(
        'millrace.to_table.late',
        'Items behind the watermark without a row',
        {
          operator: name,
        },
      );
      let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;

      const remember = (key: string, row: TableRow<V>): void => {
        if (row.value !== undefined) rows.set(key, row);
        else if (row.time_ms === undefined || row.time_ms < watermark_ms) rows.delete(key);
        else {
          rows.set(key, row);
          // A deletion can be forgotten when no item of its time or before can come.
          timers.set(row.time_ms + 1, key);
        }
      };

      return {
        onBatch: (items) => {
          const changes: TableChange<V>[] = [];
          const late: A[] = [];
          for (const item of items) {
            const key = keyOf(item);
            const time_ms = timeOf?.(item);
            if (time_ms !== undefined) checkedTime(time_ms, name);
            const value = toValue(item);
            const row: TableRow<V> = { time_ms, value };
            const known = rows.get(key);
            if (known === undefined && time_ms !== undefined && time_ms < watermark_ms) {
              late.push(item);
              continue;
            }
            if (known !== undefined && !isNewer(row, known)) continue;
            remember(key, row);
            if (known?.value !== undefined || value !== undefined) {
              changes.push({ key, before: known?.value, after: value });
            }
          }
          lateItems.add(late.length);
          emitTo('late', late);
          emit(changes);
        },
        onTimer: (time_ms, key) => {
          const row = rows.get(key);
          if (row !== undefined && row.value === undefined && row.time_ms === time_ms - 1) rows.delete(key);
        },
        onWatermark: (time_ms) => {
          watermark_ms = Math.max(watermark_ms, time_ms);
        },
      };
    },
  });

/** Without `value` the item is the value. By time a retraction and what follows it would have no order. */
function itself<A, V>(deletesRetracted: boolean): (item: A) => V | undefined {
  return (item) => (deletesRetracted && isRetraction(item) ? undefined : (item as unknown as V));
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
    if (known.value === undefined) return row.time_ms === undefined && row.value !== undefined;
    if (row.value === undefined) return true;
    const order = Buffer.compare(bytesOf(row.value), bytesOf(known.value));
    return row.time_ms === undefined ? order !== 0 : order > 0;
  };
}
