import { type Codec, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import type { LateEvents } from './process.ts';
import { makeProcess } from './process-make.ts';

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
  does: 'Takes the events of each key in the order of event time (events of one ms by their stored bytes) and passes on those that the limit allows: the first `max_events` of each fixed window of event time, or those for which a token bucket that is refilled with event time has a token. All others go to the side output `limited`. Events wait until the watermark has passed them, so which ones pass depends on nothing but the set of events that come in time: not on their order of arrival, batches, commits or restarts. The price is a delay of the allowed out-of-orderness.',
  state:
    'One row for each (time, key) that waits for the watermark, and one small row and one timer for each key with events in the running window or a bucket that is not full again yet. A key without events for twice `per_ms` leaves nothing.',
  late: 'An event older than the watermark goes to the side output `late`, uses no allowance, and is counted as `millrace.rate-limit.late`: to let it displace another would take back what has been passed on.',
  duplicates: 'Each copy uses the allowance. Put `dedup` in front.',
  failure:
    'Waiting events and counts are part of the commit; after a crash the same events pass. What is held back is counted as `millrace.rate-limit.limited`, by operator. An event time that is no whole number of ms since 1970 stops the task with `bad_event_time` before anything of the batch is committed. Limits may change with a restart; what a key has used is then reckoned in the new ones for `per_ms` at most.',
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
  return makeProcess<A, A, Used | undefined, RateLimitSides<A>>(rateLimitDoc)(name, {
    keyOf,
    timeOf,
    order: 'time',
    sides: ['limited'],
    initial: () => undefined,
    ...(codec === undefined ? {} : { eventCodec: codec }),
    onEvent: (event, { state, time_ms, metrics, timers, setState, emit, emitTo }) => {
      const used = usedAt(state, time_ms);
      if (used.parts + per_ms > max_events * per_ms) {
        metrics.counter('millrace.rate-limit.limited', 'Events over a limit', { operator: name }).add();
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
