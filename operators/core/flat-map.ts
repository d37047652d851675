import { defineOperator, type NoPromise, type OperatorDoc, refusePromise } from '../../engine/index.ts';

/** Configuration of `flatMap`: `push` gives an item on, any number of times. */
export interface FlatMapConfig<A, B> {
  /** Pure: pushes what `item` becomes. */
  readonly each: (item: A, push: (out: B) => void) => NoPromise;
}

export const flatMapDoc: OperatorDoc = {
  kind: 'flat-map',
  summary: 'Each item to any number of others',
};

/** Each item to any number of others, in order. No state. */
export function flatMap<A, B>(name: string, config: FlatMapConfig<A, B>) {
  return make<A, B>()(name, config);
}

const make = <A, B>() =>
  defineOperator<A, B, FlatMapConfig<A, B>>({
    kind: 'flat-map',
    summary: 'Each item to any number of others',
    start: ({ name, config, emit }) => ({
      onBatch: (items) => {
        const out: B[] = [];
        const said = `flat-map "${name}"`;
        const push = (item: B): void => {
          out.push(item);
        };
        for (const item of items) refusePromise(config.each(item, push), said);
        emit(out);
      },
    }),
  });
