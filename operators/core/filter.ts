import { defineOperator, type Operator, type OperatorDoc, refusePromise } from '../../engine/index.ts';

export const filterDoc: OperatorDoc = {
  kind: 'filter',
  summary: 'The items that a predicate holds for',
};

/** The items that the type guard holds for, as the type that it guards. No state. */
export function filter<A, B extends A>(name: string, predicate: (item: A) => item is B): Operator<A, B>;
/** The items that `predicate` holds for, in order; the others are counted (`millrace.filter.dropped`). No state. */
export function filter<A>(name: string, predicate: (item: NoInfer<A>) => boolean): Operator<A, A>;
export function filter<A>(name: string, predicate: (item: A) => boolean): Operator<A, A>;
export function filter<A>(name: string, predicate: (item: A) => boolean): Operator<A, A> {
  return make<A>()(name, predicate);
}

const make = <A>() =>
  defineOperator<A, A, (item: A) => boolean>({
    kind: 'filter',
    summary: filterDoc.summary,
    retractions: () => 'passes',
    start: ({ name, config: predicate, metrics, emit }) => {
      const dropped = metrics.counter('millrace.filter.dropped', 'Items that a filter left out', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const kept = items.filter((item) => {
            const holds = predicate(item);
            refusePromise(holds, `filter "${name}"`);
            return holds;
          });
          dropped.add(items.length - kept.length);
          emit(kept);
        },
      };
    },
  });
