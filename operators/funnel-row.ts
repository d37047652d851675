import { compareFunnelEvents, type FunnelEvent, type FunnelRules } from './funnel-definition.ts';
import {
  bestAttempt,
  entryOf,
  type FunnelAttempt,
  type FunnelResult,
  furtherAttempt,
  isEntry,
} from './funnel-evaluate.ts';

/** What is kept of an entity. */
export interface FunnelRow {
  /** Sorted: those that an attempt still open can use. */
  events: FunnelEvent[];
  /** The furthest of the attempts that nothing can change any more. */
  best?: FunnelAttempt;
  /** Nothing can change the entity any more: its only attempt is over, or it was dropped. */
  isClosed?: true;
  /** The record that holds downstream. */
  said?: FunnelResult;
  /** When its timer is due. */
  wake_ms?: number;
  /** The newest event. */
  last_ms: number;
}

export function newRow(time_ms: number): FunnelRow {
  return { events: [], last_ms: time_ms };
}

/** Takes an event in; false for one that is there already. */
export function admit(row: FunnelRow, event: FunnelEvent, hasIds: boolean): boolean {
  const { events } = row;
  let at = events.length;
  while (at > 0 && compareFunnelEvents(events[at - 1] as FunnelEvent, event) > 0) at--;
  if (hasIds && [events[at - 1], events[at]].some((other) => isSameEvent(other, event))) return false;
  row.last_ms = Math.max(row.last_ms, event.time_ms);
  if (row.isClosed !== true) events.splice(at, 0, event);
  return true;
}

function isSameEvent(other: FunnelEvent | undefined, { id, time_ms }: FunnelEvent): boolean {
  return other !== undefined && other.id === id && other.time_ms === time_ms;
}

/**
 * Lets go of events that no attempt can use any more. `horizon_ms`: no earlier event comes. An attempt whose
 * window has ended before it is closed: it is remembered by its result, if that is the furthest so far.
 */
export function closeAttempts(row: FunnelRow, rules: FunnelRules, horizon_ms: number): void {
  if (row.isClosed === true) return;
  const { window_ms } = rules;
  const openFrom_ms = horizon_ms - window_ms;
  const entry = row.events.find((event) => isEntry(event, rules));
  if (entry !== undefined && entry.time_ms < openFrom_ms) {
    const { attempt, dropsUser } = bestAttempt(row.events, rules, openFrom_ms);
    if (dropsUser) {
      close(row, undefined);
      return;
    }
    if (rules.entry === 'first') {
      close(row, attempt);
      return;
    }
    const best = furtherAttempt(row.best, attempt);
    if (best !== undefined) row.best = best;
  }
  const open = row.events.find((event) => isEntry(event, rules) && event.time_ms >= openFrom_ms);
  const from_ms = Math.min(horizon_ms, open?.time_ms ?? horizon_ms);
  // The first entry can only move to an earlier time, and its window with it.
  const until_ms =
    rules.entry === 'first' && open !== undefined ? open.time_ms + window_ms : Number.POSITIVE_INFINITY;
  row.events = row.events.filter(({ time_ms }) => time_ms >= from_ms && time_ms <= until_ms);
}

function close(row: FunnelRow, attempt: FunnelAttempt | undefined): void {
  row.isClosed = true;
  row.events = [];
  if (attempt === undefined) delete row.best;
  else row.best = attempt;
}

/** Down to `max` events: the newest, or for the first attempt the oldest. Returns how many went. */
export function trim(row: FunnelRow, rules: FunnelRules, max: number): number {
  const dropped = row.events.length - max;
  if (dropped <= 0) return 0;
  row.events = rules.entry === 'first' ? row.events.slice(0, max) : row.events.slice(dropped);
  return dropped;
}

/** The attempt that counts now; undefined for an entity that is not in the funnel. */
export function currentAttempt(row: FunnelRow, rules: FunnelRules): FunnelAttempt | undefined {
  const { attempt, dropsUser } = bestAttempt(row.events, rules);
  return dropsUser ? undefined : furtherAttempt(row.best, attempt);
}

/**
 * The watermark at which the row changes by itself: a window ends, an attempt closes, or, with nothing
 * left that could change, the row goes. undefined: it stays as it is until the next event.
 */
export function nextWake_ms(
  row: FunnelRow,
  rules: FunnelRules,
  lateness_ms: number,
  retain_ms: number | undefined,
): number | undefined {
  const { window_ms, end_ms } = rules;
  const [first] = row.events;
  const times_ms: number[] = [];
  if (row.said?.status === 'in_progress') times_ms.push(entryOf(row.said) + window_ms);
  if (first !== undefined) {
    const isOpen = row.events.some((event) => event.time_ms === first.time_ms && isEntry(event, rules));
    times_ms.push(first.time_ms + (isOpen ? window_ms : 0) + lateness_ms + 1);
  } else {
    if (Number.isFinite(end_ms)) times_ms.push(end_ms + window_ms + lateness_ms + 1);
    if (retain_ms !== undefined) times_ms.push(row.last_ms + retain_ms + lateness_ms + 1);
  }
  return times_ms.length === 0 ? undefined : Math.max(0, Math.min(...times_ms));
}
