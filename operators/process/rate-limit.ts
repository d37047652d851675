import { type Codec, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import type { LateEvents } from './process.ts';
import { makeProcess } from './process-make.ts';

/** Configuration of `rateLimit`. */
export interface RateLimitConfig<A> {
  readonly keyOf: (event: A) => string;
  /** Event time, whole ms. */
  readonly timeOf: (event: A) => number;
  /** Events of a key that pass in `per_ms`. */
  readonly max_events: number;
  /** Whole ms. */
  readonly per_ms: number;
  /**
   * `window` (the default): at most `max_events` in each span of `per_ms` that begins at a multiple of it
   * since 1970. `bucket`: a bucket of `max_events` tokens that is refilled evenly over `per_ms`, so that a
   * burst at the edge of two windows is not let through twice.
   */
  readonly algorithm?: 'window' | 'bucket';
  /** How waiting events are stored. By default JSON, trusted to be what was written. */
  readonly codec?: Codec<A>;
}

type RateLimitSides<A> = { readonly limited: A };

export const rateLimitDoc: OperatorDoc = {
  kind: 'rate-limit',
  summary: 'So many events of a key in a span of event time; the excess aside',
};

/** What has been used at a time, in tokens of `per_ms` parts each: what is refilled in a ms is a whole number. */
interface Used {
  readonly at_ms: number;
  readonly parts: number;
}

/**
 * At most `max_events` of a key in `per_ms` of event time, decided in the order of event time; the excess to
 * the side output `limited`. Throws `bad_config` for limits that are no positive whole numbers.
 */
export function rateLimit<A>(
  name: string,
  config: RateLimitConfig<NoInfer<A>>,
): Operator<A, A, RateLimitSides<A> & LateEvents<A>>;
export function rateLimit<A>(
  name: string,
  config: RateLimitConfig<A>,
): Operator<A, A, RateLimitSides<A> & LateEvents<A>>;
export function rateLimit<A>(
  name: string,
  config: RateLimitConfig<A>,
): Operator<A, A, RateLimitSides<A> & LateEvents<A>> {
  const { keyOf, timeOf, max_events, per_ms, algorithm = 'window', codec } = config;
  for (const limit of [max_events, per_ms, max_events * per_ms]) {
    if (Number.isSafeInteger(limit) && limit > 0) continue;
    throw new MillraceError('bad_config', `"${name}" needs positive whole numbers as max_events and per_ms.`);
  }
  const limits = { max_events, per_ms };
  const usedAt = algorithm === 'window' ? usedInWindow(limits) : usedOfBucket(limits);
  return makeProcess<A, A, Used | undefined, RateLimitSides<A>>(rateLimitDoc, 'refuses')(name, {
    keyOf,
    timeOf,
    order: 'time',
    sides: ['limited'],
    initial: () => undefined,
    ...(codec === undefined ? {} : { eventCodec: codec }),
    onEvent: (event, { state, time_ms, metrics, timers, setState, emit, emitTo }) => {
      const used = usedAt(state, time_ms);
      if (used.parts + per_ms > max_events * per_ms) {
        metrics.counter('millrace.rate_limit.limited', 'Events over a limit', { operator: name }).add();
        emitTo('limited', event);
        return;
      }
      setState({ ...used, parts: used.parts + per_ms });
      if (state === undefined) timers.set(time_ms + per_ms);
      emit(event);
    },
    onTimer: (time_ms, { state, timers, clearState }) => {
      if (usedAt(state, time_ms).parts === 0) clearState();
      else timers.set(time_ms + per_ms);
    },
  });
}

type Limits = Pick<RateLimitConfig<never>, 'max_events' | 'per_ms'>;
type UsedAt = (used: Used | undefined, time_ms: number) => Used;

/** `at_ms` is the window's start. */
function usedInWindow({ per_ms }: Limits): UsedAt {
  return (used, time_ms) => {
    const at_ms = Math.floor(time_ms / per_ms) * per_ms;
    return used?.at_ms === at_ms ? used : { at_ms, parts: 0 };
  };
}

/** `at_ms` is when the bucket was looked at last. */
function usedOfBucket({ max_events, per_ms }: Limits): UsedAt {
  return (used, time_ms) => {
    const refilled = used === undefined ? 0 : (time_ms - used.at_ms) * max_events;
    // More than the whole bucket was used under other limits.
    const parts = Math.min(used?.parts ?? 0, max_events * per_ms);
    return { at_ms: time_ms, parts: Math.max(0, parts - refilled) };
  };
}
