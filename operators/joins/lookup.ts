import { defineOperator, type OperatorDoc } from '../../engine/index.ts';
import type { JoinFunction } from './join-common.ts';
import type { EnrichMode } from './join-config.ts';

export type LookupConfig<A, R, Out> = EnrichMode<A, R, Out> & {
  readonly keyOf: (item: A) => string;
  /**
   * The side input: a map, or a pure function of the key. It has to give the same rows in a replay, so
   * change it only by a new deployment.
   */
  readonly table: ReadonlyMap<string, R> | ((key: string) => R | undefined);
};

export const lookupDoc: OperatorDoc = {
  kind: 'lookup',
  summary: 'Enriches each item from a table in memory that the program brings along',
  does:
    'Looks the key of each item up in a side input, a map or a function handed in the configuration, and passes ' +
    'on what join makes of the item and the row. Items without a row are dropped and counted (inner) or come out ' +
    'alone (left). The table is part of the program: country codes, categories, a file read before the start. ' +
    'Where it changes while the task runs, make a stream of its changes and use lookup-join or temporal-join.',
  state: 'None; the table is the caller’s.',
  late: 'Nothing is late. Items dropped by an inner lookup are counted in millrace.lookup.missing.',
  duplicates: 'An item that comes twice comes out twice.',
  failure:
    'The same input gives the same output after a crash, as long as the table is the same. An error thrown by ' +
    'the table’s function stops the task.',
};

/**
 * Side input: each item with the row that a table in memory has for its key. State: none; the result is a
 * function of the item and the table.
 */
export function lookup<A, R, Out>(name: string, config: LookupConfig<A, R, Out>) {
  return make<A, R, Out>()(name, config);
}

const make = <A, R, Out>() =>
  defineOperator<A, Out, LookupConfig<A, R, Out>>({
    kind: lookupDoc.kind,
    summary: lookupDoc.summary,
    start: ({ name, config, metrics, emit }) => {
      const { keyOf, table, type } = config;
      const join = config.join as JoinFunction<A, R, Out>;
      const rowOf = typeof table === 'function' ? table : (key: string) => table.get(key);
      const missing = metrics.counter('millrace.lookup.missing', 'Items without a row, dropped', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const out: Out[] = [];
          for (const item of items) {
            const row = rowOf(keyOf(item));
            if (row !== undefined || type === 'left') out.push(join(item, row));
            else missing.add();
          }
          emit(out);
        },
      };
    },
  });
