import { AttemptFinder, comparePicks } from './funnel-attempt.ts';
import type { FunnelEvent, FunnelRules } from './funnel-definition.ts';

/** An entity's attempt that counts. */
export interface FunnelAttempt {
  /** When each step reached was filled; the first is the entry. */
  readonly times_ms: readonly number[];
  /** The value at the step that the attribution names; absent without one, or if it was not reached. */
  readonly group?: string;
}

/** What became of an attempt: all steps, some of them with time left, or some and the window is over. */
export type FunnelStatus = 'converted' | 'in_progress' | 'dropped';

/** Where an entity stands. */
export interface FunnelResult extends FunnelAttempt {
  readonly status: FunnelStatus;
  /** Steps reached, 1 to the number of steps. */
  readonly furthest: number;
}

export interface BestAttempt {
  readonly attempt: FunnelAttempt | undefined;
  /** An exclusion takes the entity out altogether. */
  readonly dropsUser: boolean;
}

/**
 * Where an entity stands: see `FunnelDefinition` for the semantics. A pure function for live streams and
 * queries over history alike.
 * `events`: the entity's events as `compileFunnel` reads them, sorted by `compareFunnelEvents`; `strict` needs
 * all of the entity's events. undefined: the entity is not in the funnel.
 * Time: about entries × steps × log(events).
 */
export function evaluateFunnel(
  events: readonly FunnelEvent[],
  rules: FunnelRules,
  watermark_ms: number,
): FunnelResult | undefined {
  const { attempt, dropsUser } = bestAttempt(events, rules);
  return attempt === undefined || dropsUser ? undefined : resultOf(attempt, rules, watermark_ms);
}

export function resultOf(attempt: FunnelAttempt, rules: FunnelRules, watermark_ms: number): FunnelResult {
  const furthest = attempt.times_ms.length;
  const status =
    furthest === rules.steps
      ? 'converted'
      : entryOf(attempt) + rules.window_ms > watermark_ms
        ? 'in_progress'
        : 'dropped';
  return { status, furthest, ...attempt };
}

export function entryOf(attempt: FunnelAttempt): number {
  return attempt.times_ms[0] as number;
}

export function isEntry({ steps, time_ms }: FunnelEvent, rules: FunnelRules): boolean {
  const begins = rules.order === 'any' ? steps !== 0 : (steps & 1) !== 0;
  return begins && time_ms >= rules.start_ms && time_ms < rules.end_ms;
}

/** The one of two attempts with different entries that counts. */
export function furtherAttempt(
  a: FunnelAttempt | undefined,
  b: FunnelAttempt | undefined,
): FunnelAttempt | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const difference = a.times_ms.length - b.times_ms.length || entryOf(a) - entryOf(b);
  return difference >= 0 ? a : b;
}

/** The best of the attempts whose entry is before `entriesBefore_ms`. */
export function bestAttempt(
  events: readonly FunnelEvent[],
  rules: FunnelRules,
  entriesBefore_ms = Number.POSITIVE_INFINITY,
): BestAttempt {
  const entries = entriesOf(events, rules, entriesBefore_ms);
  if (entries.length === 0) return { attempt: undefined, dropsUser: false };
  const finder = new AttemptFinder(events, rules);
  const excluded = new ExclusionTimes(events, rules);
  let best: readonly number[] | undefined;
  // Newest first: once one has converted, an earlier one can only tell of a user to be dropped.
  for (const entry of entries.reverse()) {
    if (best?.length === rules.steps && !excluded.canDropUser) {
      if (timeAt(events, entry) < timeAt(events, best[0])) break;
    }
    const picks = finder.from(entry);
    const effect = excluded.effectOn(picks.map((index) => timeAt(events, index)));
    if (effect === 'drop_user') return { attempt: undefined, dropsUser: true };
    if (effect === undefined && (best === undefined || isBetter(picks, best, events))) best = picks;
  }
  if (best === undefined) return { attempt: undefined, dropsUser: false };
  return { attempt: attemptOf(best, events, rules), dropsUser: false };
}

/** The attempt of the entries of one time. */
export interface EntryAttempt {
  readonly entry_ms: number;
  /** When its steps were filled; undefined: an exclusion takes it out. */
  readonly times_ms: readonly number[] | undefined;
  /** An exclusion takes the entity out altogether. */
  readonly dropsUser: boolean;
}

/**
 * Of each time at which there are entries the attempt that counts where no other entries do; in order. `events` as
 * `evaluateFunnel` takes them.
 */
export function attemptsByEntry(events: readonly FunnelEvent[], rules: FunnelRules): EntryAttempt[] {
  const finder = new AttemptFinder(events, rules);
  const excluded = new ExclusionTimes(events, rules);
  const found: EntryAttempt[] = [];
  for (let index = 0; index < events.length; ) {
    const entry_ms = timeAt(events, index);
    let [best, isEntered, dropsUser] = [undefined as readonly number[] | undefined, false, false];
    for (; index < events.length && timeAt(events, index) === entry_ms; index++) {
      if (!isEntry(events[index] as FunnelEvent, rules)) continue;
      isEntered = true;
      const picks = finder.from(index);
      const effect = excluded.effectOn(picks.map((pick) => timeAt(events, pick)));
      if (effect === 'drop_user') dropsUser = true;
      if (effect === undefined && (best === undefined || isBetter(picks, best, events))) best = picks;
    }
    if (!isEntered) continue;
    const times_ms = dropsUser ? undefined : best?.map((pick) => timeAt(events, pick));
    found.push({ entry_ms, times_ms, dropsUser });
  }
  return found;
}

function entriesOf(events: readonly FunnelEvent[], rules: FunnelRules, before_ms: number): number[] {
  const entries: number[] = [];
  for (let index = 0; index < events.length; index++) {
    const event = events[index] as FunnelEvent;
    if (event.time_ms >= before_ms) break;
    if (!isEntry(event, rules)) continue;
    const isFirstGroup = entries.length === 0 || event.time_ms === timeAt(events, entries[0]);
    if (rules.entry === 'first' && !isFirstGroup) break;
    entries.push(index);
  }
  return entries;
}

function timeAt(events: readonly FunnelEvent[], index: number | undefined): number {
  return (events[index as number] as FunnelEvent).time_ms;
}

/** Further; of equals the newer entry; of the same time the earlier steps, then the smaller ids. */
function isBetter(a: readonly number[], b: readonly number[], events: readonly FunnelEvent[]): boolean {
  if (a.length !== b.length) return a.length > b.length;
  const newer = timeAt(events, a[0]) - timeAt(events, b[0]);
  return newer === 0 ? comparePicks(a, b, events) < 0 : newer > 0;
}

function attemptOf(
  picks: readonly number[],
  events: readonly FunnelEvent[],
  { attribution }: FunnelRules,
): FunnelAttempt {
  const times_ms = picks.map((index) => timeAt(events, index));
  if (attribution === undefined) return { times_ms };
  const step = attribution === 'first_step' ? 1 : attribution === 'last_step' ? picks.length : attribution;
  const pick = picks[step - 1];
  return pick === undefined ? { times_ms } : { times_ms, group: (events[pick] as FunnelEvent).group };
}

/** When the events of each exclusion happened. */
class ExclusionTimes {
  readonly #rules: FunnelRules;
  readonly #times_ms: readonly (readonly number[])[];
  readonly canDropUser: boolean;

  constructor(events: readonly FunnelEvent[], rules: FunnelRules) {
    this.#rules = rules;
    this.#times_ms = rules.exclusions.map((_, index) =>
      events.filter(({ exclusions }) => ((exclusions >>> index) & 1) === 1).map(({ time_ms }) => time_ms),
    );
    this.canDropUser = rules.exclusions.some(({ effect }) => effect === 'drop_user');
  }

  /** What the exclusions do to an attempt; `drop_user` where both are hit. */
  effectOn(attempt: readonly number[]): 'drop_attempt' | 'drop_user' | undefined {
    let found: 'drop_attempt' | 'drop_user' | undefined;
    const { exclusions, window_ms } = this.#rules;
    for (const [index, { from, to, effect }] of exclusions.entries()) {
      const after_ms = attempt[from - 1];
      if (after_ms === undefined || found === 'drop_user' || found === effect) continue;
      // A step that was not reached leaves the span open to the window's end, which is part of the window.
      const before_ms = attempt[to - 1] ?? (attempt[0] as number) + window_ms + 1;
      const times_ms = this.#times_ms[index] as readonly number[];
      const next_ms = times_ms[firstAfter(times_ms, after_ms)];
      if (next_ms !== undefined && next_ms < before_ms) found = effect;
    }
    return found;
  }
}

function firstAfter(times_ms: readonly number[], time_ms: number): number {
  let low = 0;
  let high = times_ms.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times_ms[middle] as number) > time_ms) high = middle;
    else low = middle + 1;
  }
  return low;
}
