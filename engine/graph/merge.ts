import { filter, map, Observable } from 'rxjs';
import type { Batch, Signal } from '../base/index.ts';
import type { OperatorDoc } from './operator.ts';

/** The kind of a node that is one side output of another. */
export const SIDE_OUTPUT = 'side-output';

export const mergeDoc: OperatorDoc = {
  kind: 'merge',
  summary: 'Several streams of one type as one',
};

export const connectDoc: OperatorDoc = {
  kind: 'connect',
  summary: 'Two streams into one operator: joins, and operators of your own with two inputs',
};

export const sideOutputDoc: OperatorDoc = {
  kind: 'side-output',
  summary: 'What an operator puts aside, as a stream of its own',
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

/** Other items that come from the same. */
function mainBatch<T>({ origins }: Batch<unknown>, items: readonly T[]): Batch<T> {
  return { kind: 'batch', items, ...(origins === undefined ? {} : { origins }) };
}

/** One output of a node that has several: the main one where `side` is undefined. */
export function outputOf(
  input: Observable<Signal<unknown>>,
  side: string | undefined,
): Observable<Signal<unknown>> {
  return input.pipe(
    filter((signal) => signal.kind !== 'batch' || signal.side === side),
    map((signal) =>
      signal.kind === 'batch' && side !== undefined ? mainBatch(signal, signal.items) : signal,
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
        ? mainBatch(
            signal,
            signal.items.map((value) => ({ input, value })),
          )
        : signal,
    ),
  );
}
