import {
  checkEventMembers,
  flatten,
  isOfErasure,
  normalType,
  partOf,
  splitBody,
  toJsonText,
  valueOfPart,
} from '../../analytics/index.ts';
import type { WorkItem } from '../../engine/index.ts';
import { NOTICE_MAX_BYTES, type Notice } from '../delivery/index.ts';

/** What a notice has beside its payload, bytes. */
const HEAD_BYTES = 2_048;

/**
 * The order events of a message of the stream EVENTS that somebody may have asked for, as notices whose id is the
 * event's. They are read before duplicates are told apart: an event that is sent twice gives two notices of one id.
 */
export function orderNotices(
  item: WorkItem,
  now_ms: number,
  isWanted: (tenant: string, type: string) => boolean,
): readonly Notice[] {
  const tenant = item.subject.split('.')[1] ?? '';
  const body = splitBody(item.data, item);
  if (body === undefined) return [];
  const notices: Notice[] = [];
  for (let part = 0; ; part++) {
    const bytes = partOf(item.data, body, part);
    if (bytes === undefined) return notices;
    const parsed = valueOfPart(item, bytes);
    if (!parsed.ok) continue;
    const limits = { now_ms, cut_ms: Number.NEGATIVE_INFINITY };
    const event = checkEventMembers(flatten(parsed.value), limits);
    // What takes the place of an erased event was told when that came.
    if (!event.ok || isOfErasure(event.members)) continue;
    const { event_id, order_id, customer_id, time } = event.input;
    const type = normalType(event.input.type);
    if (!type.startsWith('order.') || !isWanted(tenant, type)) continue;
    const isLarge =
      bytes.length + HEAD_BYTES > NOTICE_MAX_BYTES &&
      toJsonText(event.members).length + HEAD_BYTES > NOTICE_MAX_BYTES;
    const payload = isLarge
      ? { event_id, type: event.input.type, time, order_id, customer_id, truncated: true }
      : event.members;
    notices.push({ tenant, type, id: event_id, time_ms: event.time_ms, payload });
  }
}
