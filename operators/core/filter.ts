import { defineOperator, type Operator, type OperatorDoc } from '../../engine/index.ts';

export const filterDoc: OperatorDoc = {
  kind: 'filter',
  summary: 'The items that a predicate holds for',
  does: "Passes on the items for which a pure predicate returns true, in their order. A type guard as predicate narrows the type of what flows on: after `filter('paid', (e: Event): e is Paid => e.type === 'paid')` the next operator takes `Paid`. To send items different ways instead of leaving some out, use `branch`.",
  state: 'None.',
  late: 'Late items are judged like all others.',
  duplicates: 'Each is judged by itself, so equal items share one fate.',
  failure:
    'After a crash the items since the last commit are judged again. What the predicate throws stops the task before anything of the batch is committed. Items left out are counted as `millrace.filter.dropped`, by operator.',
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
    start: ({ name, config: predicate, metrics, emit }) => {
      const dropped = metrics.counter('millrace.filter.dropped', 'Items that a filter left out', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const kept = items.filter((item) => predicate(item));
          dropped.add(items.length - kept.length);
          emit(kept);
        },
      };
    },
  });
