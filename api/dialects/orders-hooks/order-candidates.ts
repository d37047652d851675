import {
  checkEventMembers,
  flatten,
  isOrderChangeType,
  normalType,
  partOf,
  splitBody,
  valueOfPart,
} from '../../../analytics/index.ts';
import type { WorkItem } from '../../../engine/index.ts';
import { toldType } from '../../../runtime/index.ts';

/** An event of a message that may change an order. */
export interface Candidate {
  readonly part: number;
  readonly order_id: string;
  readonly event_id: string;
  readonly time_ms: number;
  readonly types: readonly string[];
}

/** The events of a message that may change an order, with the types under which that may be told. */
export function candidatesOf(item: WorkItem, now_ms: number): readonly Candidate[] {
  const body = splitBody(item.data, item);
  if (body === undefined) return [];
  const found: Candidate[] = [];
  for (let part = 0; ; part++) {
    const bytes = partOf(item.data, body, part);
    if (bytes === undefined) return found;
    const parsed = valueOfPart(item, bytes);
    if (!parsed.ok) continue;
    const event = checkEventMembers(flatten(parsed.value), { now_ms, cut_ms: Number.NEGATIVE_INFINITY });
    if (!event.ok || !isOrderChangeType(event.input.type)) continue;
    const { order_id, event_id } = event.input;
    // A correction says nothing new by itself: what comes next is judged by the order as it is then.
    if (typeof order_id !== 'string' || order_id === '' || event.members.supersedes === true) continue;
    found.push({ part, order_id, event_id, time_ms: event.time_ms, types: typesOf(event.input.type) });
  }
}

/** What an event of a type may be told as: any step of an order's life follows from a status. */
function typesOf(type: string): readonly string[] {
  const normal = normalType(type);
  if (!normal.startsWith('order.')) return [normal];
  const steps = ['confirmed', 'shipped', 'delivered', 'cancelled', 'rto'].map((step) => `order.${step}`);
  return [...new Set([toldType(normal), 'order.updated', 'order.status.changed', ...steps])];
}
