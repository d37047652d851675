import { compareFunnelEvents, type FunnelEvent, type FunnelRules } from './funnel-definition.ts';
import {
  bestAttempt,
  entryOf,
  type FunnelAttempt,
  type FunnelResult,
  furtherAttempt,
  isEntry,
} from './funnel-evaluate.ts';

/** What is kept of an entity between two silences: it counts once. */
export interface FunnelLife {
  /** Sorted: those that an attempt still open can use. */
  events: FunnelEvent[];
  /** The furthest of the attempts that nothing can change any more. */
  best?: FunnelAttempt;
  /** Nothing can change it any more: its only attempt is over, or the entity was dropped. */
  isClosed?: true;
  /** The record that holds downstream. */
  said?: FunnelResult;
  /** The oldest and the newest event. */
  first_ms: number;
  last_ms: number;
}

/** What is kept of an entity. */
export interface FunnelRow {
  /** In order of time, with a silence of more than `retain_ms` between two. */
  lives: FunnelLife[];
  /** Records of lives that became one with another since the last look. */
  merged?: FunnelResult[];
  /** When its timer is due. */
  wake_ms?: number;
}

/** Takes an event in; false for one that is there already. `retain_ms`: a longer silence begins another life. */
export function admit(row: FunnelRow, event: FunnelEvent, hasIds: boolean, retain_ms: number): boolean {
  const life = lifeAt(row, event.time_ms, retain_ms);
  const { events } = life;
  let at = events.length;
  while (at > 0 && compareFunnelEvents(events[at - 1] as FunnelEvent, event) > 0) at--;
  if (hasIds && [events[at - 1], events[at]].some((other) => isSameEvent(other, event))) return false;
  life.first_ms = Math.min(life.first_ms, event.time_ms);
  life.last_ms = Math.max(life.last_ms, event.time_ms);
  if (life.isClosed !== true) events.splice(at, 0, event);
  return true;
}

/** The life that an event belongs to: of two that it connects, both in one; a new one if it is far from all. */
function lifeAt(row: FunnelRow, time_ms: number, retain_ms: number): FunnelLife {
  const { lives } = row;
  let at = 0;
  while (at < lives.length && (lives[at] as FunnelLife).last_ms + retain_ms < time_ms) at++;
  const life = lives[at];
  if (life === undefined || life.first_ms - retain_ms > time_ms) {
    const added: FunnelLife = { events: [], first_ms: time_ms, last_ms: time_ms };
    lives.splice(at, 0, added);
    return added;
  }
  const next = lives[at + 1];
  if (next !== undefined && next.first_ms - retain_ms <= time_ms) {
    lives.splice(at + 1, 1);
    if (next.said !== undefined) row.merged = [...(row.merged ?? []), next.said];
    mergeInto(life, next);
  }
  return life;
}

/** All of the later one is still open: what connects them is earlier than its first event, and came in time. */
function mergeInto(life: FunnelLife, next: FunnelLife): void {
  life.last_ms = next.last_ms;
  if (life.isClosed !== true) life.events.push(...next.events);
}

function isSameEvent(other: FunnelEvent | undefined, { id, time_ms }: FunnelEvent): boolean {
  return other !== undefined && other.id === id && other.time_ms === time_ms;
}

/**
 * Lets go of events that no attempt can use any more. `horizon_ms`: no earlier event comes. An attempt whose
 * window has ended before it is closed: it is remembered by its result, if that is the furthest so far.
 */
export function closeAttempts(life: FunnelLife, rules: FunnelRules, horizon_ms: number): void {
  if (life.isClosed === true) return;
  const { window_ms } = rules;
  const openFrom_ms = horizon_ms - window_ms;
  const entry = life.events.find((event) => isEntry(event, rules));
  if (entry !== undefined && entry.time_ms < openFrom_ms) {
    const { attempt, dropsUser } = bestAttempt(life.events, rules, openFrom_ms);
    if (dropsUser) {
      close(life, undefined);
      return;
    }
    if (rules.entry === 'first') {
      close(life, attempt);
      return;
    }
    const best = furtherAttempt(life.best, attempt);
    if (best !== undefined) life.best = best;
  }
  const open = life.events.find((event) => isEntry(event, rules) && event.time_ms >= openFrom_ms);
  // What is before every open entry can still follow one that comes late; after the range none comes.
  const isPast = horizon_ms >= rules.end_ms;
  const from_ms = Math.min(
    open?.time_ms ?? Number.POSITIVE_INFINITY,
    isPast ? Number.POSITIVE_INFINITY : horizon_ms,
  );
  // The first entry can only move to an earlier time, and its window with it.
  const until_ms =
    rules.entry === 'first' && open !== undefined ? open.time_ms + window_ms : Number.POSITIVE_INFINITY;
  life.events = life.events.filter(({ time_ms }) => time_ms >= from_ms && time_ms <= until_ms);
}

function close(life: FunnelLife, attempt: FunnelAttempt | undefined): void {
  life.isClosed = true;
  life.events = [];
  if (attempt === undefined) delete life.best;
  else life.best = attempt;
}

/** Down to `max` events, and lives: the newest, or of events for the first attempt the oldest. Returns how many went. */
export function trim({ lives }: FunnelRow, { entry }: FunnelRules, max: number): number {
  let dropped = lives.length > max ? lives.splice(0, lives.length - max).length : 0;
  let excess = lives.reduce((sum, { events }) => sum + events.length, -max);
  if (excess <= 0) return dropped;
  dropped += excess;
  for (const life of entry === 'first' ? lives.toReversed() : lives) {
    const going = Math.min(excess, life.events.length);
    excess -= going;
    life.events =
      entry === 'first' ? life.events.slice(0, life.events.length - going) : life.events.slice(going);
  }
  return dropped;
}

/** The attempt that counts now; undefined for an entity that is not in the funnel. */
export function currentAttempt(life: FunnelLife, rules: FunnelRules): FunnelAttempt | undefined {
  const { attempt, dropsUser } = bestAttempt(life.events, rules);
  return dropsUser ? undefined : furtherAttempt(life.best, attempt);
}

/**
 * The watermark at which the life changes by itself: a window ends, an attempt closes, or, with nothing
 * left that could change, the life goes. Infinity: it stays as it is until the next event.
 */
export function nextWake_ms(
  { events, said, last_ms }: FunnelLife,
  rules: FunnelRules,
  lateness_ms: number,
  retain_ms: number,
): number {
  const { window_ms, end_ms } = rules;
  const [first] = events;
  const status_ms = said?.status === 'in_progress' ? entryOf(said) + window_ms : Number.POSITIVE_INFINITY;
  if (first === undefined)
    return Math.min(status_ms, end_ms + lateness_ms, last_ms + retain_ms + lateness_ms + 1);
  const isOpen = events.some((event) => event.time_ms === first.time_ms && isEntry(event, rules));
  return Math.min(status_ms, first.time_ms + (isOpen ? window_ms : 0) + lateness_ms + 1);
}
