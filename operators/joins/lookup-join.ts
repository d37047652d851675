import {
  defineOperator,
  type Either,
  type MapSpec,
  mapTable,
  type OperatorDoc,
  stringKey,
} from '../../engine/index.ts';
import { checkedKey, checkedTime } from '../core/index.ts';
import {
  byVersion,
  checkedSetting,
  codecOf,
  type JoinFunction,
  type Version,
  versionCodec,
} from './join-common.ts';
import type { EnrichMode, TableInput } from './join-config.ts';

/** Configuration of `lookupJoin`: left rows with the newest row of the table that came before them. */
export type LookupJoinConfig<L, R, Out> = EnrichMode<L, R, Out> & {
  readonly left: { readonly keyOf: (value: L) => string };
  /** Each row is the row of its key, unless a newer one, by its time, is known. */
  readonly right: TableInput<R>;
  /** A row is forgotten when it has not been written for this long by the watermark, to the day, ms. Default: never. */
  readonly retain_ms?: number;
  /** Clean rows of the table kept in memory, default 100,000. */
  readonly cache_rows?: number;
};

export const lookupJoinDoc: OperatorDoc = {
  kind: 'lookup-join',
  summary: 'Enriches a stream at once with the current row of a table that another stream builds',
};

/**
 * Lookup join: each left row at once with the current row of a table (built from the right stream, the
 * newest by time a key), as `left.connect(right, lookupJoin(…))`. The result depends on the order of the
 * stream and its cut into batches; use `temporalJoin` where it must not.
 * State: one row a key. Errors: `bad_event_time`, `bad_join_config`.
 */
export function lookupJoin<L, R, Out>(name: string, config: LookupJoinConfig<L, R, Out>) {
  if (config.retain_ms !== undefined) checkedSetting('retain_ms', config.retain_ms, 0);
  return make<L, R, Out>()(name, config);
}

function stateOf<L, R, Out>({
  right,
  retain_ms,
  cache_rows,
}: LookupJoinConfig<L, R, Out>): {
  rows: MapSpec<string, Version<R>>;
} {
  return {
    rows: mapTable<string, Version<R>>({
      key: stringKey,
      value: versionCodec(codecOf(right)),
      version: 1,
      ...(retain_ms === undefined ? {} : { ttl: { retain_ms } }),
      ...(cache_rows === undefined ? {} : { cacheRows: cache_rows }),
    }),
  };
}

const make = <L, R, Out>() =>
  defineOperator<Either<L, R>, Out, LookupJoinConfig<L, R, Out>, ReturnType<typeof stateOf<L, R, Out>>>({
    kind: lookupJoinDoc.kind,
    summary: lookupJoinDoc.summary,
    state: stateOf,
    // Rows that expire are stored with a day; for how long they stay may change.
    definition: ({ retain_ms }) => ({ retention: retain_ms === undefined ? 'for ever' : 'retain_ms' }),
    definedTables: ['rows'],
    retractions: () => 'refuses',
    start: ({ name, config, state, metrics, emit }) => {
      const { left, right, type } = config;
      const join = config.join as JoinFunction<L, R, Out>;
      const codec = codecOf(right);
      const rows = state.rows.scope('rows');
      const superseded = metrics.counter(
        'millrace.lookup_join.superseded',
        'Rows for the table that were older than what it had',
        { operator: name },
      );
      const missing = metrics.counter('millrace.lookup_join.missing', 'Left rows without a row, dropped', {
        operator: name,
      });
      const isGone = right.isDeletion ?? (() => false);
      const update = (value: R): void => {
        const key = checkedKey(right.keyOf(value));
        const version = { time_ms: checkedTime(right.timeOf(value), name), value };
        const known = rows.get(key);
        if (known === undefined || byVersion(version, known, codec) > 0) rows.set(key, version);
        else superseded.add();
      };
      return {
        onBatch: (items) => {
          const out: Out[] = [];
          for (const item of items) {
            if (item.input === 'right') {
              update(item.value);
              continue;
            }
            const version = rows.get(checkedKey(left.keyOf(item.value)));
            const row = version === undefined || isGone(version.value) ? undefined : version.value;
            if (row !== undefined || type === 'left') out.push(join(item.value, row));
            else missing.add();
          }
          emit(out);
        },
      };
    },
  });
