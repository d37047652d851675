import { holdsOver } from '../order-names/index.ts';
import { FIRST_STATUS, isSameStatus, meantStatus, statusEvent } from './order-status.ts';

/** An event about an order. */
export interface OrderFact {
  readonly sequence: number;
  readonly part: number;
  readonly time_ms: number;
  /** Of two versions of one time, that with the greater one is the newer; '' where it is not known. */
  readonly event_id: string;
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

/**
 * The status by event time; null before anything says one. It is that of the newest version which has one, else what a
 * new order is; an event of that time or later holds over it, and of two events of one time what `holdsOver` says. The
 * lives of orders (`analytics/orders`) have the same.
 */
function statusOf(facts: readonly OrderFact[]): string | null {
  let { status, time_ms } = statusOfVersions(facts);
  let isEvents = false;
  for (const fact of facts) {
    const said = isVersion(fact) ? undefined : (meantStatus(fact.type) ?? fact.status);
    if (said === undefined || fact.time_ms < time_ms) continue;
    if (isEvents && fact.time_ms === time_ms && status !== null && !holdsOver(said, status)) continue;
    status = said;
    time_ms = fact.time_ms;
    isEvents = true;
  }
  return status;
}

const isVersion = ({ type }: OrderFact): boolean => type === CREATED || type === UPDATED;

/** What versions say: not before the order was created. */
function statusOfVersions(facts: readonly OrderFact[]): {
  readonly status: string | null;
  readonly time_ms: number;
} {
  let newest: OrderFact | undefined;
  let created_ms = Number.POSITIVE_INFINITY;
  for (const fact of facts.filter(isVersion)) {
    if (isCreated(fact)) created_ms = Math.min(created_ms, fact.time_ms);
    if (fact.status !== undefined && (newest === undefined || isNewer(fact, newest))) newest = fact;
  }
  const isThere = created_ms !== Number.POSITIVE_INFINITY;
  const time_ms = Math.max(
    newest?.time_ms ?? Number.NEGATIVE_INFINITY,
    isThere ? created_ms : Number.NEGATIVE_INFINITY,
  );
  return { status: newest?.status ?? (isThere ? FIRST_STATUS : null), time_ms };
}

/** By event time, then by event id, as the ledger orders versions. */
function isNewer(fact: OrderFact, other: OrderFact): boolean {
  if (fact.time_ms !== other.time_ms) return fact.time_ms > other.time_ms;
  return Buffer.compare(Buffer.from(fact.event_id), Buffer.from(other.event_id)) > 0;
}

const byPlace = (a: OrderFact, b: OrderFact): number => a.sequence - b.sequence || a.part - b.part;
