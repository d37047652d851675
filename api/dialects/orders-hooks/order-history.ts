import {
  AMOUNT_FIELDS,
  type AmountField,
  type FinderParts,
  type FoundEvent,
  findEvents,
  isOrderChangeType,
  namedStatus,
  type OrderFact,
  parseCondition,
  parseEventJson,
} from '../../../analytics/index.ts';

/** Events of one order that are looked at: the newest. */
const ORDER_EVENTS_MAX = 1_000;
const PAYLOADS_MAX = 10_000;
/** So long before an order's first version or payment nothing is said of it that matters any more, ms. */
const BEFORE_MS = 7 * 86_400_000;

/** An event about an order, with what it says. */
export interface OrderEvent extends OrderFact {
  /** Its members; none where the stream does not have it any more. */
  readonly members: Members;
  /** Its JSON. */
  readonly text: string | null;
  readonly amounts: Readonly<Record<AmountField, number | null>>;
  /** '' for none. */
  readonly currency: string;
}

export type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The events of an order that are in force at a place in the stream, the last of them the one that lies there. */
export async function orderHistory(
  finder: FinderParts,
  { tenant, order_id, begin_ms, sequence, part }: Place,
  signal: AbortSignal,
): Promise<readonly OrderEvent[]> {
  const start_ms = begin_ms === undefined ? Number.NEGATIVE_INFINITY : begin_ms - BEFORE_MS;
  const { events } = await findEvents(
    finder,
    {
      ...{ tenant, start_ms, end_ms: Number.POSITIVE_INFINITY, upTo: sequence },
      ...{ order: 'desc', limit: ORDER_EVENTS_MAX, words: [], payloads_max: PAYLOADS_MAX },
      condition: parseCondition({ field: 'order_id', eq: order_id }, finder.terms),
      isOver: () => false,
    },
    signal,
  );
  return events
    .filter((event) => isOrderChangeType(event.type))
    .filter((event) => event.sequence < sequence || event.part <= part)
    .map(read);
}

interface Place {
  readonly tenant: string;
  readonly order_id: string;
  /** Since when there are events of the order, as far as the ledger knows; undefined: it knows none. */
  readonly begin_ms: number | undefined;
  readonly sequence: number;
  readonly part: number;
}

function read(event: FoundEvent): OrderEvent {
  const { sequence, part, time_ms, type, text, amounts, currency, ids } = event;
  const parsed: unknown = text === null ? undefined : parseEventJson(text);
  const members = isObject(parsed) ? parsed : {};
  return {
    ...{ sequence, part, time_ms, type, text, members, amounts, currency },
    event_id: typeof ids.event_id === 'string' ? ids.event_id : '',
    status: statusIn(event, members),
  };
}

/** The status that an event of an order names; a payment's is not that of its order. */
function statusIn({ type, text, dimensions }: FoundEvent, members: Members): string | undefined {
  if (!type.startsWith('order.')) return undefined;
  // Without the event itself its column says it.
  return text === null ? dimensions.status : namedStatus(type, members);
}

/** What an order's newest versions say of its amounts, minor units; undefined where none says any. */
export function totalOf(events: readonly OrderEvent[]): { minor: number; currency: string } | undefined {
  const versions = events.filter(({ type }) => type === 'order.created' || type === 'order.updated');
  const newest = [...versions].sort((a, b) => b.time_ms - a.time_ms || b.sequence - a.sequence);
  const [amount, discount, shipping, tax] = AMOUNT_FIELDS.map(
    (field) => newest.find(({ amounts }) => amounts[field] !== null)?.amounts[field] ?? null,
  );
  if (amount === null || amount === undefined) return undefined;
  const currency = newest.find((event) => event.currency !== '')?.currency ?? '';
  return { minor: amount - (discount ?? 0) + (shipping ?? 0) + (tax ?? 0), currency };
}
