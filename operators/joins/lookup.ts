import { defineOperator, type OperatorDoc } from '../../engine/index.ts';
import { checkedKey } from '../core/index.ts';
import type { JoinFunction } from './join-common.ts';
import type { EnrichMode } from './join-config.ts';

/** Configuration of `lookup`: rows of memory by key. */
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
            const row = rowOf(checkedKey(keyOf(item)));
            if (row !== undefined || type === 'left') out.push(join(item, row));
            else missing.add();
          }
          emit(out);
        },
      };
    },
  });
