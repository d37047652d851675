import { FIRST_STATUS, isSameStatus, meantStatus, statusEvent } from './order-status.ts';

/** An event about an order. */
export interface OrderFact {
  readonly sequence: number;
  readonly part: number;
  readonly time_ms: number;
  /** In normal form. */
  readonly type: string;
  /** The status that it names itself; undefined: none. */
  readonly status: string | undefined;
}

/** What an event changed of its order. */
export interface OrderChange {
  /** In normal form: `order.status.changed`. */
  readonly type: string;
  /** Before it came; null: nothing was known. */
  readonly old_status: string | null;
  /** Since it came. */
  readonly new_status: string | null;
  /** It came after what follows from it, and changed no status. */
  readonly isLate: boolean;
}

const CREATED = 'order.created';
const UPDATED = 'order.updated';
const CHANGED = 'order.status.changed';

/**
 * What the last of these events, by their place in the stream, changed of their order; all are of one order, and in
 * force. A status is that of the newest event by event time: one that comes late changes none. So the answer is a
 * function of the stream, whoever asks, and how often.
 */
export function orderChanges(facts: readonly OrderFact[]): readonly OrderChange[] {
  const sorted = [...facts].sort(byPlace);
  const event = sorted.at(-1);
  if (event === undefined) return [];
  const before = sorted.slice(0, -1);
  const old_status = statusOf(before);
  const new_status = statusOf(sorted);
  const { type } = event;
  const change = (told: string, isLate = false, old = old_status): OrderChange => ({
    ...{ type: told, old_status: old, new_status, isLate },
  });
  if (type === CREATED && !before.some(isCreated)) return [change(CREATED, false, null)];
  const versions = type === CREATED || type === UPDATED ? [change(UPDATED)] : [];
  if (!isSameStatus(old_status, new_status)) {
    const own = statusEvent(new_status);
    return [...versions, change(CHANGED), ...(own === undefined ? [] : [change(own)])];
  }
  return versions.length > 0 || type === CHANGED ? versions : unmoved(event, before, change);
}

/** Of an event that moves no status: what it is, unless the order has been there. */
function unmoved(
  { type }: OrderFact,
  before: readonly OrderFact[],
  change: (told: string, isLate: boolean) => OrderChange,
): readonly OrderChange[] {
  const own = statusEvent(meantStatus(type) ?? null);
  if (own === undefined) return [change(type, false)];
  const hasBeen = before.some((fact) => statusEvent(meantStatus(fact.type) ?? fact.status ?? null) === own);
  return hasBeen ? [] : [change(own, true)];
}

const isCreated = ({ type }: OrderFact): boolean => type === CREATED;

/** The status by event time, of events in the order of the stream; null before anything says one. */
function statusOf(facts: readonly OrderFact[]): string | null {
  let newest: OrderFact | undefined;
  let status: string | null = null;
  const first = firstCreated(facts);
  for (const fact of facts) {
    const said = saidBy(fact, first);
    if (said === undefined || (newest !== undefined && isBefore(fact, newest))) continue;
    newest = fact;
    status = said;
  }
  return status;
}

/** Its earliest version begins an order; a version that says no status leaves it as it is. */
function saidBy(fact: OrderFact, first: OrderFact | undefined): string | undefined {
  return meantStatus(fact.type) ?? fact.status ?? (fact === first ? FIRST_STATUS : undefined);
}

const firstCreated = (facts: readonly OrderFact[]): OrderFact | undefined =>
  facts
    .filter(isCreated)
    .reduce<OrderFact | undefined>(
      (first, fact) => (first === undefined || fact.time_ms < first.time_ms ? fact : first),
      undefined,
    );

/** At one time an order is created first; of others the later in the stream is the later one. */
function isBefore(fact: OrderFact, other: OrderFact): boolean {
  if (fact.time_ms !== other.time_ms) return fact.time_ms < other.time_ms;
  return isCreated(fact) && !isCreated(other);
}

const byPlace = (a: OrderFact, b: OrderFact): number => a.sequence - b.sequence || a.part - b.part;
