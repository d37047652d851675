import { defineOperator, type Operator, type OperatorDoc, type Synchronous } from '../../engine/index.ts';

/** Configuration of `map`. */
export interface MapConfig<A, B> {
  /** Pure: what `item` becomes. */
  readonly each: (item: A) => B;
}

export const mapDoc: OperatorDoc = {
  kind: 'map',
  summary: 'Each item to another one',
};

/**
 * Each item to exactly one other, in order. No state. What `each` throws fails the task, uncommitted. An async `each`
 * does not compile, and is refused (`async_function`): see `enrichingSource`. Where the types cannot tell, in a generic
 * function, hand it over as `{ each }`.
 */
export function map<A, B>(name: string, each: (item: A) => B, ...synchronous: Synchronous<B>): Operator<A, B>;
export function map<A, B>(name: string, config: MapConfig<A, B>): Operator<A, B>;
export function map<A, B>(
  name: string,
  config: ((item: A) => B) | MapConfig<A, B>,
  ..._: readonly unknown[]
): Operator<A, B> {
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
