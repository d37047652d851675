import { filter, map, Observable } from 'rxjs';
import type { Signal } from '../base/index.ts';
import type { OperatorDoc } from './operator.ts';

export const mergeDoc: OperatorDoc = {
  kind: 'merge',
  summary: 'Several streams of one type as one',
  does: '`t.merge(name, ...streams)` gives one stream with the items of all. Within one input their order is kept; between inputs it is that in which their batches come. The watermark is the smallest of the inputs’, and there is none until each has had one: a slow input holds windows open, so that its items are not late behind it. Barriers wait for all inputs, so a commit contains the same cut of each. Inputs may be branches of one stream (the way back from `branch`) or sources of their own, each with a `watermark`; a source that is quiet moves its watermark with the clock (`idle_ms`), and one that is more than `max_drift_ms` ahead is not read until the others have come nearer.',
  state: 'None.',
  late: 'What is late is judged behind it, by the smallest watermark: an item that is late in its own branch may still be in time.',
  duplicates:
    'Every copy passes. An item that reaches the merge by two branches comes out twice: divide with `branch`, which sends each item one way, rather than with filters that overlap.',
  failure:
    'After a crash all inputs are read again from the positions of one commit. Batches of different sources may come in another order then, so what is behind should be a function of the set of items, as windows and joins by event time are. The name of a source keys its position, as that of an operator keys its state: sources may come in another order, others may be added (each begins at the first record of its stream), and one of several that has another name is refused (`source_renamed`). A merge of no streams is refused (`bad_config`).',
};

export const connectDoc: OperatorDoc = {
  kind: 'connect',
  summary: 'Two streams into one operator: joins, and operators of your own with two inputs',
  does: '`left.connect(right, operator)` gives the operator items of both streams as `{ input, value }` with `input` of `left` or `right`, typed as `Either<L, R>`. All joins are put into a topology this way. An operator of your own is made with `defineOperator<Either<L, R>, …>`; it has one state, which both inputs reach, since both run in one task. Its `onWatermark` and timers go by the smaller of the two watermarks, and there is none until both inputs have had one. Barriers wait for both. Batches are not mixed: each call of `onBatch` has items of one input.',
  state: 'None of its own; the operator’s tables are the operator’s.',
  late: 'An item is late for the operator when it is older than the smaller watermark; what becomes of it is said on the operator’s page.',
  duplicates: 'Every copy reaches the operator. Put `dedup` before the input that may repeat.',
  failure:
    'Positions of both inputs and the operator’s state are one commit. After a crash the items since then come again, in an order between the two inputs that may be another one: where the result must not depend on it, keep what came and decide when the watermark has passed, as `interval-join`, `window-join` and `temporal-join` do.',
};

export const sideOutputDoc: OperatorDoc = {
  kind: 'side-output',
  summary: 'What an operator puts aside, as a stream of its own',
  does: '`stream.side(name)` is a stream of what the operator before it does not send down its main output: events that are too late, rows over a limit, the branches of `split`. Which side outputs there are is part of the operator’s type, so the compiler knows their names and the types of their items; another name throws `unknown_side_output`. The streams that `pipe` and `connect` return have the side outputs of their last operator. A side output carries the same watermarks and barriers as the main one, and any number of readers share it. Nobody has to read it: what is put aside is counted either way.',
  state: 'None.',
  late: 'Most operators with event time have a side output `late`; their pages say what goes there. To take late items in after all, send them to a stream or a table that is corrected by hand.',
  duplicates: 'Each copy that an operator puts aside comes out.',
  failure:
    'The items are part of the same batches and commits as those of the main output: after a crash they come again.',
};

/** Aligns barriers (emitted once all inputs have sent theirs) and takes the minimum watermark. */
export function mergeSignals<T>(inputs: readonly Observable<Signal<T>>[]): Observable<Signal<T>> {
  return new Observable((output) => {
    const watermarks = inputs.map(() => Number.NEGATIVE_INFINITY);
    let emitted_ms = Number.NEGATIVE_INFINITY;
    let waiting = inputs.length;
    const subscriptions = inputs.map((input, index) =>
      input.subscribe({
        next: (signal) => {
          if (signal.kind === 'batch') output.next(signal);
          else if (signal.kind === 'watermark') {
            watermarks[index] = signal.time_ms;
            const time_ms = Math.min(...watermarks);
            if (time_ms > emitted_ms) {
              emitted_ms = time_ms;
              output.next({ kind: 'watermark', time_ms });
            }
          } else if (--waiting === 0) {
            waiting = inputs.length;
            output.next(signal);
          }
        },
        error: (error) => output.error(error),
      }),
    );
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  });
}

/** One output of a node that has several: the main one where `side` is undefined. */
export function outputOf(
  input: Observable<Signal<unknown>>,
  side: string | undefined,
): Observable<Signal<unknown>> {
  return input.pipe(
    filter((signal) => signal.kind !== 'batch' || signal.side === side),
    map((signal) =>
      signal.kind === 'batch' && side !== undefined ? { kind: 'batch', items: signal.items } : signal,
    ),
  );
}

/** Items that say which input they came from. */
export function tagged(
  stream: Observable<Signal<unknown>>,
  input: 'left' | 'right',
): Observable<Signal<{ readonly input: string; readonly value: unknown }>> {
  return stream.pipe(
    map((signal) =>
      signal.kind === 'batch'
        ? { kind: 'batch', items: signal.items.map((value) => ({ input, value })) }
        : signal,
    ),
  );
}
