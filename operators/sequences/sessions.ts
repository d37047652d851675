import { type Codec, MillraceError, type Operator, type OperatorDoc } from '../../engine/index.ts';
import { type LateEvents, makeProcess } from '../process/index.ts';
import { requireGap } from './session-gap.ts';
import type { SessionizeConfig } from './sessionize.ts';

/** Configuration of `sessions`: as `sessionize`, with a bound of the events of one session. */
export interface SessionsConfig<A> extends SessionizeConfig<A> {
  /** A session of so many events is closed, and another begins: what is kept of a key has a limit. */
  readonly max_events: number;
}

/** A closed session. */
export interface Session<A> {
  readonly key: string;
  /** `<key>@<start_ms>`; a part after the first of a session that was cut has `/<part>` behind it. */
  readonly session: string;
  /** Times of the first and of the last event, ms. */
  readonly start_ms: number;
  readonly end_ms: number;
  /** In the order of event time; those of one ms by their stored bytes. */
  readonly events: readonly A[];
  readonly closed_by: 'gap' | 'limit';
}

export const sessionsDoc: OperatorDoc = {
  kind: 'sessions',
  summary: 'Whole sessions, as lists of their events',
};

interface Open<A> {
  readonly start_ms: number;
  readonly last_ms: number;
  /** How many parts were emitted because of the limit. */
  readonly part: number;
  readonly part_start_ms: number;
  /** Added to in place: a copy for each event would make a long session costly. */
  readonly events: A[];
}

/** Sessions as lists, when they are over. Throws `bad_config` for a gap or a limit that is none. */
export function sessions<A>(
  name: string,
  config: SessionsConfig<NoInfer<A>>,
): Operator<A, Session<A>, LateEvents<A>>;
export function sessions<A>(name: string, config: SessionsConfig<A>): Operator<A, Session<A>, LateEvents<A>>;
export function sessions<A>(name: string, config: SessionsConfig<A>): Operator<A, Session<A>, LateEvents<A>> {
  const { keyOf, timeOf, gap_ms, max_events, codec } = config;
  requireGap(name, gap_ms);
  if (!Number.isSafeInteger(max_events) || max_events < 1) {
    throw new MillraceError('bad_config', `"${name}" needs a positive whole number as max_events.`);
  }
  return makeProcess<A, Session<A>, Open<A> | undefined, Record<never, never>>(sessionsDoc, 'refuses')(name, {
    keyOf,
    timeOf,
    order: 'time',
    initial: () => undefined,
    ...(codec === undefined ? {} : { codec: openCodec(codec), eventCodec: codec }),
    onEvent: (event, { key, state, time_ms, metrics, timers, setState, emit }) => {
      // One that was opened with a longer gap may be over before its timer.
      const isOver = state !== undefined && time_ms - state.last_ms > gap_ms;
      if (isOver && state.events.length > 0) emit(closed(key, state, 'gap'));
      const { start_ms, part, part_start_ms, events } =
        isOver || state === undefined ? begin<A>(time_ms) : state;
      if (state === undefined || time_ms > state.last_ms) {
        if (state !== undefined) timers.clear(state.last_ms + gap_ms);
        timers.set(time_ms + gap_ms);
      }
      events.push(event);
      const from_ms = events.length === 1 ? time_ms : part_start_ms;
      const open = { start_ms, last_ms: time_ms, part, part_start_ms: from_ms, events };
      if (open.events.length < max_events) setState(open);
      else {
        metrics.counter('millrace.sessions.cut', 'Sessions cut by their limit', { operator: name }).add();
        emit(closed(key, open, 'limit'));
        setState({ ...open, part: open.part + 1, events: [] });
      }
    },
    onTimer: (time_ms, { key, state, timers, emit, clearState }) => {
      // Set for a shorter gap.
      if (state !== undefined && state.last_ms + gap_ms > time_ms) {
        timers.set(state.last_ms + gap_ms);
        return;
      }
      if (state !== undefined && state.events.length > 0) emit(closed(key, state, 'gap'));
      clearState();
    },
  });
}

function begin<A>(time_ms: number): Open<A> {
  return { start_ms: time_ms, last_ms: time_ms, part: 0, part_start_ms: time_ms, events: [] };
}

function openCodec<A>(event: Codec<A>): Codec<Open<A>> {
  return {
    write: (writer, { start_ms, last_ms, part, part_start_ms, events }) => {
      writer.u48(start_ms).u48(last_ms).varint(part).u48(part_start_ms).varint(events.length);
      for (const one of events) event.write(writer, one);
    },
    read: (reader) => ({
      start_ms: reader.u48(),
      last_ms: reader.u48(),
      part: reader.varint(),
      part_start_ms: reader.u48(),
      events: Array.from({ length: reader.varint() }, () => event.read(reader)),
    }),
  };
}

function closed<A>(key: string, open: Open<A>, closed_by: 'gap' | 'limit'): Session<A> {
  const { start_ms, last_ms, part, part_start_ms, events } = open;
  const session = `${key}@${start_ms}${part === 0 ? '' : `/${part}`}`;
  return { key, session, start_ms: part_start_ms, end_ms: last_ms, events, closed_by };
}
