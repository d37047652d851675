import { defineOperator, type Operator, type OperatorDoc } from '../../engine/index.ts';

export interface MapConfig<A, B> {
  /** Pure: what `item` becomes. */
  readonly each: (item: A) => B;
}

export const mapDoc: OperatorDoc = {
  kind: 'map',
  summary: 'Each item to another one',
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
