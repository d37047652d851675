import {
  defineOperator,
  type Operator,
  type OperatorDoc,
  type OperatorFunction,
  SynchronousRx,
} from '../../engine/index.ts';

export const liftDoc: OperatorDoc = {
  kind: 'lift',
  summary: 'A synchronous RxJS operator on the values; what it remembers is LOST on a restart',
  does: 'Puts any operator of RxJS that works on values at once into a pipeline: `map`, `scan`, `pairwise`, `bufferCount`, `distinctUntilChanged`, `take`, or several of them made one with `pipe`. It sees single values in the order of arrival, not signals: watermarks and barriers go around it, behind what the values before them became.',
  state:
    'NONE THAT IS KEPT. What the RxJS operator holds (the sum of a `scan`, the half-full buffer of a `bufferCount`, the count of a `take`) is in memory only. After a restart, and after a crash, it begins anew while the position in the stream goes on: results then depend on when the process was restarted. Use it for operators without a memory, for a prototype, or in tests; for everything else `process`, whose state is part of the commit.',
  late: 'Late values are handed to the operator like all others; the order of arrival decides.',
  duplicates: 'Each copy is a value.',
  failure:
    'What the operator emits asynchronously (`delay`, `debounceTime`, `mergeMap` of a promise) stops the task with `asynchronous_emission` at the next signal, before anything of it is committed: it would belong to no commit. An error of the operator stops the task. Once it has completed, further values are left out and counted as `millrace.lift.ignored`.',
};

/**
 * An RxJS operator on values. STATE THAT IT HOLDS IS LOST ON A RESTART: nothing of it is committed. Throws
 * `asynchronous_emission` when it emits outside of the call that hands it a value.
 */
export function lift<A, B>(name: string, rx: OperatorFunction<A, B>): Operator<A, B> {
  return make<A, B>()(name, rx);
}

const make = <A, B>() =>
  defineOperator<A, B, OperatorFunction<A, B>>({
    kind: liftDoc.kind,
    summary: liftDoc.summary,
    start: ({ name, config, metrics, emit }) => {
      const rx = new SynchronousRx(config, name);
      const ignored = metrics.counter('millrace.lift.ignored', 'Items after an RxJS operator has completed', {
        operator: name,
      });
      return {
        onBatch: (items) => {
          const out: B[] = [];
          for (const item of items) {
            if (rx.completed) ignored.add();
            else for (const one of rx.next(item)) out.push(one);
          }
          rx.check();
          emit(out);
        },
        onWatermark: () => rx.check(),
        onBarrier: () => rx.check(),
      };
    },
  });
