import type { DisplacedEvent } from './displaced-kind.ts';
import type { MissingReason } from './payloads.ts';

export const AMOUNT_FIELDS = ['amount', 'discount', 'shipping', 'tax'] as const;
export type AmountField = (typeof AMOUNT_FIELDS)[number];

/** What names an event and its entities, as its payload says it. */
export type EventIds = Readonly<
  Partial<Record<'event_id' | 'order_id' | 'customer_id' | 'session_id', unknown>>
>;

/** The ids of an event's JSON as a value. */
export function eventIds(event: unknown): EventIds {
  if (typeof event !== 'object' || event === null) return {};
  const { event_id, order_id, customer_id, session_id } = event as EventIds;
  return { event_id, order_id, customer_id, session_id };
}

/** An event as the log has it, with its JSON. */
export interface FoundEvent {
  readonly time_ms: number;
  readonly sequence: number;
  readonly part: number;
  readonly type: string;
  /** '' for none. */
  readonly currency: string;
  /** By name, only those that it has: its own, or what it inherited from its order when it came. */
  readonly dimensions: Readonly<Record<string, string>>;
  /** Minor units; null where it has none. */
  readonly amounts: Readonly<Record<AmountField, number | null>>;
  /** Its JSON, flat, as it was sent; null where it is not there any more. */
  readonly text: string | null;
  /** Empty where its JSON is not there. */
  readonly ids: EventIds;
  readonly missing: MissingReason | undefined;
  /** The correction that took it back; undefined for an event that is in force. */
  readonly displaced: Pick<DisplacedEvent, 'by_sequence' | 'by_part'> | undefined;
}
