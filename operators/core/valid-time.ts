import { MillraceError } from '../../engine/index.ts';

/** Exclusive: what tables and timers can hold, ms; in the year 10889. */
export const TIME_END_MS = 2 ** 48 - 1;

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

/** Whether a time is one that windows take: within what timers can hold, before 1970 too. NaN is none. */
export function isTime(time_ms: number): boolean {
  return Math.abs(time_ms) < TIME_END_MS;
}

function bad(time_ms: number, operator: string, rule: string): MillraceError {
  return new MillraceError(
    'bad_event_time',
    `"${operator}" was given the time ${time_ms}: ${rule}. Refuse such events where they are decoded.`,
  );
}
