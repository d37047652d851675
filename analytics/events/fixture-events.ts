import type { SourceRecord } from '../../engine/index.ts';
import { messageDecoder } from './decode-events.ts';
import { eventFromJson, type OrderEvent } from './order-event.ts';

export const NOW_MS = Date.UTC(2025, 7, 1, 12);
const TIME = '2025-08-01T10:00:00Z';

export function recordOf(
  data: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  subject = 'events.acme.x',
): SourceRecord {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    sequence: 42,
    subject,
    data: typeof data === 'string' ? Buffer.from(data) : data,
    hasHeaders: byName.size > 0,
    header: (name) => byName.get(name.toLowerCase()),
  };
}

export interface DecodedMessage {
  readonly events: OrderEvent[];
  /** `code@part` of each rejection. */
  readonly rejected: string[];
  readonly rejectedBytes: string[];
  readonly details: string[];
  readonly tenants: string[];
}

/** What the message decoder makes of a message. */
export function decoded(record: SourceRecord, decoder = messageDecoder()): DecodedMessage {
  const result: DecodedMessage = { events: [], rejected: [], rejectedBytes: [], details: [], tenants: [] };
  decoder(record, NOW_MS, {
    accept: (event) => void result.events.push(event),
    reject: ({ part, tenant }, { code, detail }, bytes) => {
      result.rejected.push(`${code}@${part}`);
      result.details.push(detail);
      result.rejectedBytes.push(Buffer.from(bytes).toString());
      result.tenants.push(tenant);
    },
  });
  return result;
}

let made = 0;

/** An event of these members, with an id and a time of its own where none is given. */
export function eventOf(members: Readonly<Record<string, unknown>>): OrderEvent {
  const place = { tenant: 'acme', record: recordOf(''), part: 0 };
  const event = eventFromJson(
    { event_id: `made-${made++}`, type: 'order.created', time: TIME, ...members },
    place,
    NOW_MS,
  );
  if ('code' in event) throw new Error(`${event.code}: ${event.detail}`);
  return event;
}
