import type { EventBatch } from '../events/index.ts';
import { CODE, MARK, NUMBER } from '../rows/index.ts';
import { ALWAYS, CANCELLED, FIRST_OF_ORDER, SHIPPED } from './kinds.ts';

/** Events of an order that are kept to be said anew when it changes; those beyond stay as they came. */
export const ORDER_EVENTS_MAX = 1_000;
/** Bytes of an order's record, beyond which no more of its events are kept either. */
export const ORDER_RECORD_MAX_BYTES = 512 * 1_024;

/** Flags of an order: it is the first of its customer, of its session. */
export const FIRST_OF_CUSTOMER = 1;
export const FIRST_OF_SESSION = 2;
/** An order without an id is known by its event's id. */
export const LONE = 0x5bd1e995;

export function orderMarks(flags: number): number {
  return (
    MARK.orders |
    ((flags & FIRST_OF_CUSTOMER) === 0 ? 0 : MARK.customers_new) |
    ((flags & FIRST_OF_SESSION) === 0 ? 0 : MARK.sessions_with_order)
  );
}

export function dependentMarks(kind: number, isFirst: boolean, created_ms: number): number {
  const always = ALWAYS[kind + 1] as number;
  if (!isFirst) return always;
  const first = always | (FIRST_OF_ORDER[kind + 1] as number);
  if (Number.isNaN(created_ms)) return first;
  return first | (kind === SHIPPED ? MARK.shipped_in : kind === CANCELLED ? MARK.cancelled : 0);
}

export function dependentValue(
  kind: number,
  isFirst: boolean,
  time_ms: number,
  created_ms: number,
  amount: number,
): number {
  if (!isFirst || Number.isNaN(created_ms)) return Number.NaN;
  if (kind === SHIPPED) return time_ms - created_ms;
  return kind === CANCELLED ? amount : Number.NaN;
}

export function setMarks(batch: EventBatch, row: number, marks: number, value: number): void {
  (batch.columns.codes[CODE.marks] as Int32Array)[row] = marks;
  (batch.columns.numbers[NUMBER.value] as Float64Array)[row] = value;
}
