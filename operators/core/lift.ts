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
    unordered: () => 'what an RxJS operator remembers is gone behind a restart. Use `keyedProcess`',
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
