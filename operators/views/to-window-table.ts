import {
  type Codec,
  defineOperator,
  type MapSpec,
  MillraceError,
  mapTable,
  type Operator,
  type OperatorDoc,
  parseWindowRow,
  type QueryableTable,
  trustedJsonCodec,
  WINDOW_START_END_MS,
  WINDOWS_TABLE,
  type WindowedValue,
  windowRow,
  windowRowKey,
} from '../../engine/index.ts';
import { checkedKey, isRetraction, migrationOf, TIME_END_MS } from '../core/index.ts';

/** Configuration of `toWindowTable`: the row of an item by key and window, and how long it is kept. */
export interface ToWindowTableConfig<A, V = A> {
  readonly keyOf: (item: A) => string;
  /** The window that the item is a result of; `end_ms` is exclusive. */
  readonly windowOf: (item: A) => { readonly start_ms: number; readonly end_ms: number };
  /** The window's value; undefined deletes it. By default the item itself. Not asked for a retraction. */
  readonly value?: (item: A) => V | undefined;
  /** A window can be queried until the watermark is this far past its end, whole ms; Infinity: for ever. */
  readonly retain_ms: number;
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

/** Items that a window table does not take. */
export interface WindowTableSides<A> {
  /** Items whose window is past its retention. */
  readonly late: A;
  /** Items whose window is outside the time that the table holds. */
  readonly refused: A;
}

export const toWindowTableDoc: OperatorDoc = {
  kind: 'to-window-table',
  summary: 'A table by key and window that other threads and processes can query',
};

/**
 * A queryable table of window results. Query it with `queryTable(reader, windowTableOf('name', codec),
 * { kind: 'window', key, start_ms, end_ms })`. Throws `bad_config` for a retention that is none.
 */
export function toWindowTable<A, V = A>(
  name: string,
  config: ToWindowTableConfig<NoInfer<A>, V>,
): Operator<A, WindowedValue<V | undefined>, WindowTableSides<A>>;
export function toWindowTable<A, V = A>(
  name: string,
  config: ToWindowTableConfig<A, V>,
): Operator<A, WindowedValue<V | undefined>, WindowTableSides<A>>;
export function toWindowTable<A, V = A>(
  name: string,
  config: ToWindowTableConfig<A, V>,
): Operator<A, WindowedValue<V | undefined>, WindowTableSides<A>> {
  const { retain_ms } = config;
  if (!(retain_ms >= 0) || !(Number.isSafeInteger(retain_ms) || retain_ms === Number.POSITIVE_INFINITY)) {
    throw new MillraceError(
      'bad_config',
      `"${name}" has the retain_ms ${retain_ms}: give it whole ms, 0 or more.`,
    );
  }
  return make<A, V>()(name, config);
}

/** The table that `toWindowTable` of this name writes, for `queryTable`; with a version it is refused where it has another. */
export function windowTableOf<V>(name: string, codec?: Codec<V>, version?: number): QueryableTable<V> {
  return {
    id: `${name}/${WINDOWS_TABLE}`,
    ...(codec === undefined ? {} : { codec }),
    ...(version === undefined ? {} : { version }),
  };
}

function specOf<A, V>(config: ToWindowTableConfig<A, V>): MapSpec<string, V> {
  const { codec, version = 1, cacheRows } = config;
  return mapTable({
    key: windowRowKey,
    value: codec ?? trustedJsonCodec<V>(),
    version,
    ...migrationOf<V, V>(config, (value) => value),
    ...(cacheRows === undefined ? {} : { cacheRows }),
  });
}

const make = <A, V>() =>
  defineOperator<
    A,
    WindowedValue<V | undefined>,
    ToWindowTableConfig<A, V>,
    { readonly [WINDOWS_TABLE]: MapSpec<string, V> },
    WindowTableSides<A>
  >({
    kind: toWindowTableDoc.kind,
    summary: toWindowTableDoc.summary,
    state: (config) => ({ [WINDOWS_TABLE]: specOf(config) }),
    sides: ['late', 'refused'],
    retractions: () => 'takes',
    start: ({ name, config, state, metrics, timers, initialWatermark_ms, emit, emitTo }) => {
      const { keyOf, windowOf, value: valueFrom, retain_ms } = config;
      const windows = state[WINDOWS_TABLE].scope('');
      const lateItems = metrics.counter('millrace.to_window_table.late', 'Items of windows that are gone', {
        operator: name,
      });
      const refusedItems = metrics.counter(
        'millrace.to_window_table.refused',
        'Items of windows before 1970 or after the year 10854',
        { operator: name },
      );
      // Without `value` the item is the value.
      const toValue = valueFrom ?? ((item: A) => item as unknown as V);
      let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
      return {
        onBatch: (items) => {
          const changed: WindowedValue<V | undefined>[] = [];
          const late: A[] = [];
          const refused: A[] = [];
          for (const item of items) {
            const key = checkedKey(keyOf(item));
            const { start_ms, end_ms } = windowOf(item);
            requireWindow(start_ms, end_ms, name);
            if (start_ms < 0 || start_ms >= WINDOW_START_END_MS || end_ms >= TIME_END_MS) {
              refused.push(item);
              continue;
            }
            const until_ms = end_ms + retain_ms;
            if (until_ms <= watermark_ms) {
              late.push(item);
              continue;
            }
            const row = windowRow({ key, start_ms, end_ms });
            const value = isRetraction(item) ? undefined : toValue(item);
            if (value === undefined) windows.delete(row);
            else windows.set(row, value);
            if (until_ms < TIME_END_MS) {
              if (value === undefined) timers.clear(until_ms, row);
              else timers.set(until_ms, row);
            }
            changed.push({ key, start_ms, end_ms, value });
          }
          lateItems.add(late.length);
          refusedItems.add(refused.length);
          emitTo('late', late);
          emitTo('refused', refused);
          emit(changed);
        },
        onTimer: (time_ms, row) => {
          const until_ms = parseWindowRow(row).end_ms + retain_ms;
          // Set for a shorter retention.
          if (until_ms <= time_ms) windows.delete(row);
          else if (until_ms < TIME_END_MS) timers.set(until_ms, row);
        },
        onWatermark: (time_ms) => {
          watermark_ms = Math.max(watermark_ms, time_ms);
        },
      };
    },
  });

function requireWindow(start_ms: number, end_ms: number, name: string): void {
  if (Number.isInteger(start_ms) && Number.isInteger(end_ms) && start_ms <= end_ms) return;
  throw new MillraceError(
    'bad_event_time',
    `"${name}" was given a window from ${start_ms} to ${end_ms}: bounds are whole ms, the start first.`,
  );
}
