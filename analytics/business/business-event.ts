/** An event of a business as it was sent: of leads, subscriptions, tickets, staff. */
export interface BusinessEvent {
  readonly event_id: string;
  /** In its normal form: `lead.stage.changed`. */
  readonly type: string;
  readonly time_ms: number;
  /** Members of the payload; those in `data` where the top has none of the name. */
  member(name: string): unknown;
}

/** By time, then by id: so that what comes of events does not depend on their arrival. */
export function inOrder(events: readonly BusinessEvent[]): readonly BusinessEvent[] {
  return events.toSorted((a, b) => a.time_ms - b.time_ms || (a.event_id < b.event_id ? -1 : 1));
}

/** The id that an event names its record by; undefined: it is about nothing. */
export function idOf(event: BusinessEvent, name: string): string | undefined {
  const id = event.member(name);
  return typeof id === 'string' && id !== '' ? id : typeof id === 'number' ? String(id) : undefined;
}

export function numberOf(event: BusinessEvent, name: string): number | undefined {
  const value = event.member(name);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export interface Within {
  readonly start_ms: number;
  readonly end_ms: number;
}

export const isWithin = (time_ms: number, { start_ms, end_ms }: Within): boolean =>
  time_ms >= start_ms && time_ms < end_ms;

/** Nearest rank: the smallest value that ⌈q·n⌉ of n do not exceed; null of none. */
export function quantileOf(values: readonly number[], q: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(q * sorted.length) - 1] ?? null;
}
