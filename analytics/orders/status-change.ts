import { statusText } from './order-life.ts';

/** Statuses that are said by an event of their own. */
const EVENT_OF: Readonly<Record<string, string>> = {
  confirmed: 'order.confirmed',
  shipped: 'order.shipped',
  delivered: 'order.delivered',
  cancelled: 'order.cancelled',
  rto: 'order.rto',
};
const OVER: ReadonlySet<string> = new Set(['cancelled', 'rto']);
const SENT: ReadonlySet<string> = new Set(['shipped', 'delivered']);
/** What an order is only before it was sent. */
const BEFORE_SENT: ReadonlySet<string> = new Set(['pending', 'confirmed', 'shipped', 'cancelled']);

/** Why an order of a status may not become another one; undefined: it may. */
export function changeProblem(from: string, to: string): string | undefined {
  const wanted = statusText(to);
  if (from === wanted) return `it is ${from} already`;
  if (OVER.has(from)) return `it is ${from}, which is final`;
  if (SENT.has(from) && BEFORE_SENT.has(wanted)) return `it is ${from}: it cannot be ${wanted} any more`;
  if (wanted === 'rto' && !SENT.has(from))
    return `it is ${from}: only what was shipped returns to its origin`;
  if (from === 'confirmed' && wanted === 'pending') return 'it is confirmed: it cannot be pending any more';
  return undefined;
}

/** The type of the event that gives an order a status, and its member `status` where the type does not say it. */
export function statusChange(to: string): { readonly type: string; readonly status?: string } {
  const status = statusText(to);
  const type = EVENT_OF[status];
  return type === undefined ? { type: 'order.status_changed', status } : { type };
}
