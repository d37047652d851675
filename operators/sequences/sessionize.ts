import type { Codec, Operator, OperatorDoc } from '../../engine/index.ts';
import { type LateEvents, makeProcess } from '../process/index.ts';
import { requireGap } from './session-gap.ts';

/** Configuration of `sessionize`. A session ends when its key has no event for `gap_ms` of event time. */
export interface SessionizeConfig<A> {
  readonly keyOf: (event: A) => string;
  /** Event time, whole ms. */
  readonly timeOf: (event: A) => number;
  /** Events of a key that are this far apart or less belong to one session, ms. */
  readonly gap_ms: number;
  /** How waiting events are stored. By default JSON, trusted to be what was written. */
  readonly codec?: Codec<A>;
}

/** An event with the session that it belongs to. */
export interface InSession<A> {
  readonly event: A;
  readonly key: string;
  /** Key and start, `<key>@<start_ms>`: the same for the same events, always. */
  readonly session: string;
  readonly start_ms: number;
  /** From 0, in the order of event time. */
  readonly index: number;
}

export const sessionizeDoc: OperatorDoc = {
  kind: 'sessionize',
  summary: 'Each event with the session that it belongs to',
};

interface Open {
  readonly start_ms: number;
  readonly last_ms: number;
  readonly count: number;
}

/** Each event with its session: events of a key at most `gap_ms` apart. Throws `bad_config` for a gap that is no time. */
export function sessionize<A>(
  name: string,
  config: SessionizeConfig<NoInfer<A>>,
): Operator<A, InSession<A>, LateEvents<A>>;
export function sessionize<A>(
  name: string,
  config: SessionizeConfig<A>,
): Operator<A, InSession<A>, LateEvents<A>>;
export function sessionize<A>(
  name: string,
  config: SessionizeConfig<A>,
): Operator<A, InSession<A>, LateEvents<A>> {
  const { keyOf, timeOf, gap_ms, codec } = config;
  requireGap(name, gap_ms);
  return makeProcess<A, InSession<A>, Open | undefined, Record<never, never>>(sessionizeDoc, 'refuses')(
    name,
    {
      keyOf,
      timeOf,
      order: 'time',
      initial: () => undefined,
      ...(codec === undefined ? {} : { eventCodec: codec }),
      onEvent: (event, { key, state, time_ms, timers, setState, emit }) => {
        // One that was opened with a longer gap may be over before its timer.
        const open = state !== undefined && time_ms - state.last_ms <= gap_ms ? state : undefined;
        const { start_ms, last_ms, count } = open ?? { start_ms: time_ms, last_ms: time_ms, count: 0 };
        setState({ start_ms, last_ms: time_ms, count: count + 1 });
        if (count === 0 || time_ms > last_ms) {
          if (state !== undefined) timers.clear(state.last_ms + gap_ms);
          timers.set(time_ms + gap_ms);
        }
        emit({ event, key, session: `${key}@${start_ms}`, start_ms, index: count });
      },
      onTimer: (time_ms, { state, timers, clearState }) => {
        if (state === undefined || state.last_ms + gap_ms <= time_ms) clearState();
        // Set for a shorter gap.
        else timers.set(state.last_ms + gap_ms);
      },
    },
  );
}
