import { MillraceError, requireText } from '../../engine/index.ts';

/** Exclusive: what tables and timers can hold, ms; in the year 10889. */
export const TIME_END_MS = 2 ** 48 - 1;

/**
 * The time, or throws `bad_event_time` for what is no whole number: text, a Date, a fraction, NaN. Types say so, but
 * events often come out of JSON.
 */
export function wholeTime(time_ms: number, operator: string): number {
  if (Number.isInteger(time_ms)) return time_ms;
  throw bad(time_ms, operator, 'event times are whole ms since 1970, or before it');
}

/** The time, or throws `bad_event_time` for what tables and timers cannot hold. */
export function checkedTime(time_ms: number, operator: string): number {
  if (Number.isInteger(time_ms) && time_ms >= 0 && time_ms < TIME_END_MS) return time_ms;
  throw bad(time_ms, operator, 'event times and timers are whole ms since 1970');
}

/** The same for operators that take times before 1970. */
export function checkedSignedTime(time_ms: number, operator: string): number {
  if (Number.isInteger(time_ms) && Math.abs(time_ms) < TIME_END_MS) return time_ms;
  throw bad(time_ms, operator, 'event times are whole ms since 1970, or before it');
}

/** Whether a whole number is a time that windows take: within what timers can hold, before 1970 too. */
export function isTime(time_ms: number): boolean {
  return Math.abs(time_ms) < TIME_END_MS;
}

/** A number that orders items of one time. Throws `bad_event_time`. */
export function checkedTie(tie: number, operator: string): number {
  if (typeof tie === 'number' && !Number.isNaN(tie)) return tie;
  throw new MillraceError(
    'bad_event_time',
    `"${operator}" was given ${String(tie)} by tieOf: it orders items of one time, and has to be a number. ` +
      'Refuse such items where they are decoded.',
  );
}

/** The key, or throws `bad_text` for what is no text: 42 and "42" would be one row, and two after a restart. */
export function checkedKey(key: string): string {
  requireText(key);
  return key;
}

function bad(time: unknown, operator: string, rule: string): MillraceError {
  const given = typeof time === 'number' ? String(time) : inWords(time);
  return new MillraceError(
    'bad_event_time',
    `"${operator}" was given the time ${given}: ${rule}. Refuse such events where they are decoded.`,
  );
}

function inWords(time: unknown): string {
  if (typeof time === 'string') return `${JSON.stringify(time.slice(0, 40))}, a text (Date.parse reads it)`;
  if (time instanceof Date) return 'of a Date (getTime gives its ms)';
  return time === null ? 'null' : `of type ${typeof time}`;
}
