export interface ObserverTimes {
  /** A member is dead when its record was seen unchanged for so long, ms. */
  readonly dead_after_ms: number;
  /** One look at a record proves at most so much of the time since the one before, ms. */
  readonly look_max_ms: number;
}

export const OBSERVER_TIMES: ObserverTimes = { dead_after_ms: 5_000, look_max_ms: 2_500 };

interface Count {
  revision: number;
  unchanged_ms: number;
  /** When the last answer came that showed this revision, ms of the observer's clock; undefined: none since a failure. */
  seen_at_ms: number | undefined;
}

/**
 * Which members are dead, as one process sees it. A member rewrites its record each second; it is dead when the record
 * keeps its revision for `dead_after_ms`. Only time counts that lies between two looks that were answered, and of that
 * no more than `look_max_ms` a look: while the bucket is away, or the observer stood still itself, nobody dies. After
 * anything that failed (a read, or a write of the observer's own, without which a leader that was voted out could answer
 * with old records for seconds) every count starts anew.
 */
export class Observer {
  readonly #times: ObserverTimes;
  readonly #counts = new Map<string, Count>();

  constructor(times: ObserverTimes = OBSERVER_TIMES) {
    this.#times = times;
  }

  /** A record was there with this revision. `asked_at_ms` and `answered_at_ms` are the same for what a watch tells. */
  seen(member: string, revision: number, asked_at_ms: number, answered_at_ms: number): void {
    const count = this.#counts.get(member);
    if (count === undefined || revision > count.revision) {
      this.#counts.set(member, { revision, unchanged_ms: 0, seen_at_ms: answered_at_ms });
      return;
    }
    // What was read before the newest revision was known says nothing of the time after.
    if (revision < count.revision) return;
    // The record was so at the latest when the former answer came, and is so at least until this was asked.
    if (count.seen_at_ms !== undefined) {
      const proven_ms = Math.min(asked_at_ms - count.seen_at_ms, this.#times.look_max_ms);
      count.unchanged_ms += Math.max(0, proven_ms);
    }
    count.seen_at_ms = Math.max(count.seen_at_ms ?? 0, answered_at_ms);
  }

  /** Another sign of life than its record: it has taken or confirmed a task. */
  alive(member: string, at_ms: number): void {
    const count = this.#counts.get(member);
    if (count !== undefined) Object.assign(count, { unchanged_ms: 0, seen_at_ms: at_ms });
  }

  /** Its record is gone: it has left. */
  left(member: string): void {
    this.#counts.delete(member);
  }

  /** A read or an own write failed, or its outcome is not known. */
  failed(): void {
    // The time until the next answer counts for nobody: only from that answer on.
    for (const count of this.#counts.values())
      Object.assign(count, { unchanged_ms: 0, seen_at_ms: undefined });
  }

  /** How long it was seen unchanged, ms; undefined: it has no record. */
  unchanged_ms(member: string): number | undefined {
    return this.#counts.get(member)?.unchanged_ms;
  }

  isDead(member: string): boolean {
    const unchanged_ms = this.unchanged_ms(member);
    return unchanged_ms === undefined || unchanged_ms >= this.#times.dead_after_ms;
  }

  /** Members with a record that are not dead. */
  living(): readonly string[] {
    return [...this.#counts.keys()].filter((member) => !this.isDead(member)).sort();
  }

  /** Members whose record has not changed for a while: they have to be looked at. */
  suspects(now_ms: number, after_ms: number): readonly string[] {
    return [...this.#counts]
      .filter(
        ([, { unchanged_ms, seen_at_ms }]) => unchanged_ms > 0 || now_ms - (seen_at_ms ?? 0) >= after_ms,
      )
      .map(([member]) => member);
  }
}
