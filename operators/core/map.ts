import { defineOperator, type Operator, type OperatorDoc } from '../../engine/index.ts';

export interface MapConfig<A, B> {
  /** Pure: what `item` becomes. */
  readonly each: (item: A) => B;
}

export const mapDoc: OperatorDoc = {
  kind: 'map',
  summary: 'Each item to another one',
  does: 'Calls a pure function with each item and passes on what it returns, in the order of arrival and batch by batch. The function may return anything, `undefined` included: one item in is one item out. For none or several use `flatMap`, to leave items out use `filter`.',
  state: 'None.',
  late: 'Late items are mapped like all others.',
  duplicates: 'Passed on as they came.',
  failure:
    'After a crash the items since the last commit are mapped again, which a pure function does not notice. What the function throws stops the task before anything of the batch is committed: turn input that may be malformed into events with `json` or `decode`, which have dead letters.',
};

/** Each item to exactly one other, in order. No state. What `each` throws fails the task, uncommitted. */
export function map<A, B>(name: string, config: ((item: A) => B) | MapConfig<A, B>): Operator<A, B> {
  return make<A, B>()(name, typeof config === 'function' ? { each: config } : config);
}

const make = <A, B>() =>
  defineOperator<A, B, MapConfig<A, B>>({
    kind: 'map',
    summary: mapDoc.summary,
    start: ({ config: { each }, emit }) => ({
      onBatch: (items) => emit(items.map((item) => each(item))),
    }),
  });
