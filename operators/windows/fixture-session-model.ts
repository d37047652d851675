import type { Reading } from './fixture-window.ts';

interface ModelSession {
  start_ms: number;
  end_ms: number;
  ids: number[];
  isClosed: boolean;
}

interface ModelKey {
  readonly sessions: ModelSession[];
  /** When no session of the key was open, what ended a gap before the horizon was forgotten. */
  forgotten_ms: number;
}

/** Sessions as the documentation says: all that ever were are kept, and everything is looked for among them. */
export class SessionModel {
  readonly late: number[] = [];
  readonly #gap_ms: number;
  readonly #lateness_ms: number;
  readonly #keys = new Map<string, ModelKey>();
  #closed_ms = Number.NEGATIVE_INFINITY;

  constructor(gap_ms: number, lateness_ms: number) {
    this.#gap_ms = gap_ms;
    this.#lateness_ms = lateness_ms;
  }

  event({ id, key, time_ms }: Reading): void {
    const state = this.#keys.get(key) ?? { sessions: [], forgotten_ms: Number.NEGATIVE_INFINITY };
    this.#keys.set(key, state);
    if (state.sessions.every(({ isClosed }) => isClosed)) state.forgotten_ms = this.#closed_ms - this.#gap_ms;
    const end_ms = time_ms + this.#gap_ms;
    const touched = state.sessions.filter((other) => other.end_ms > time_ms && other.start_ms < end_ms);
    const isAlone = touched.length === 0;
    const wouldChange = touched.some(({ isClosed }) => isClosed) || time_ms < state.forgotten_ms;
    if (wouldChange || (isAlone && end_ms <= this.#closed_ms)) {
      this.late.push(id);
      return;
    }
    const merged: ModelSession = {
      start_ms: Math.min(time_ms, ...touched.map((session) => session.start_ms)),
      end_ms: Math.max(end_ms, ...touched.map((session) => session.end_ms)),
      ids: [...touched.flatMap(({ ids }) => ids), id],
      isClosed: false,
    };
    for (const session of touched) state.sessions.splice(state.sessions.indexOf(session), 1);
    state.sessions.push(merged);
  }

  watermark(time_ms: number): void {
    this.#closed_ms = Math.max(this.#closed_ms, time_ms - this.#lateness_ms);
    for (const { sessions } of this.#keys.values()) {
      for (const session of sessions) session.isClosed ||= session.end_ms <= this.#closed_ms;
    }
  }

  /** `key [start, end) ids`, sorted. */
  standing(): string[] {
    return [...this.#keys]
      .flatMap(([key, { sessions }]) =>
        sessions.map(
          ({ start_ms, end_ms, ids }) => `${key} [${start_ms}, ${end_ms}) ${ids.sort((a, b) => a - b)}`,
        ),
      )
      .sort();
  }
}
