import { defineOperator, type OperatorDoc } from '../../engine/index.ts';

export interface FlatMapConfig<A, B> {
  /** Pure: pushes what `item` becomes. */
  readonly each: (item: A, push: (out: B) => void) => void;
}

export const flatMapDoc: OperatorDoc = {
  kind: 'flat-map',
  summary: 'Each item to any number of others',
  does: 'Calls a pure function with each item and a `push` that takes what the item becomes: nothing, one item or several, in order. Outputs keep the order of their inputs. A batch in is one batch out.',
  state: 'None.',
  late: 'Late items are treated like all others.',
  duplicates: 'Each copy is an item.',
  failure:
    'After a crash the items since the last commit are treated again, which a pure function does not notice. What the function throws stops the task before anything of the batch is committed.',
};

/** Each item to any number of others, in order. No state. */
export function flatMap<A, B>(name: string, config: FlatMapConfig<A, B>) {
  return make<A, B>()(name, config);
}

const make = <A, B>() =>
  defineOperator<A, B, FlatMapConfig<A, B>>({
    kind: 'flat-map',
    summary: 'Each item to any number of others',
    start: ({ config, emit }) => ({
      onBatch: (items) => {
        const out: B[] = [];
        const push = (item: B): void => {
          out.push(item);
        };
        for (const item of items) config.each(item, push);
        emit(out);
      },
    }),
  });
