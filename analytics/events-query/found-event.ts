import type { DisplacedEvent } from './displaced-kind.ts';
import type { MissingReason } from './payloads.ts';

export const AMOUNT_FIELDS = ['amount', 'discount', 'shipping', 'tax'] as const;
export type AmountField = (typeof AMOUNT_FIELDS)[number];

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
  readonly missing: MissingReason | undefined;
  /** The correction that took it back; undefined for an event that is in force. */
  readonly displaced: Pick<DisplacedEvent, 'by_sequence' | 'by_part'> | undefined;
}
