import {
  eventIds,
  type FoundEvent,
  type FoundPage,
  parseEventJson,
  toJsonText,
} from '../../../analytics/index.ts';
import { MASK, type PiiMask } from '../../answers/index.ts';
import { EVENTS_STREAM, PARTITION, timeText } from '../../http/index.ts';
import { type EventRange, keptWarning } from './event-request.ts';

/**
 * An event as an answer shows it, as JSON text: its payload goes in as it lies in the stream, so numbers keep all
 * their digits. It has the dimensions that its tenant sees.
 */
export function eventText(event: FoundEvent, mask: PiiMask, sees: (dimension: string) => boolean): string {
  const { text: payload, ids } = seenOf(event, mask);
  const seen = <T>(members: Readonly<Record<string, T>>): Record<string, T | string> =>
    Object.fromEntries(
      Object.entries(members).map(([name, value]) => [name, mask.hides(name) ? MASK : value]),
    );
  const head = toJsonText({
    event_id: ids.event_id ?? null,
    type: event.type,
    time: timeText(event.time_ms),
    position: { [EVENTS_STREAM]: { [PARTITION]: event.sequence } },
    part: event.part,
    order_id: ids.order_id ?? null,
    customer_id: ids.customer_id ?? null,
    session_id: ids.session_id ?? null,
    currency: event.currency === '' ? null : mask.hides('currency') ? MASK : event.currency,
    dimensions: seen(
      Object.fromEntries(Object.entries(event.dimensions).filter(([dimension]) => sees(dimension))),
    ),
    amounts: seen(event.amounts),
    ...(event.displaced === undefined
      ? {}
      : {
          taken_back_by: {
            position: { [EVENTS_STREAM]: { [PARTITION]: event.displaced.by_sequence } },
            part: event.displaced.by_part,
          },
        }),
    ...(event.missing === undefined ? {} : { payload_missing: event.missing }),
  });
  return `${head.slice(0, -1)},"payload":${payload ?? 'null'}}`;
}

/** An event's JSON and its ids as a caller may see them. */
export function seenOf({ text, ids }: FoundEvent, mask: PiiMask): Pick<FoundEvent, 'text' | 'ids'> {
  if (text === null || mask.isEmpty) return { text, ids };
  // Masked in the one, they are masked in the other.
  const seen = mask.textOf(text);
  return { text: seen, ids: eventIds(parseEventJson(seen)) };
}

/** What there is to say of a search that is not whole. */
export function warningsOf(
  { complete, scanned: { payloads_missing }, kept_from }: FoundPage,
  range: EventRange,
): readonly string[] {
  return [
    ...keptWarning(range, kept_from),
    ...(payloads_missing === 0
      ? []
      : [
          `${payloads_missing} events could not be tested: the stream does not have their payloads any more. They are not in the answer.`,
        ]),
    ...(complete
      ? []
      : ['The search was ended by its limits before the page was full. Go on with `next_cursor`.']),
  ];
}
