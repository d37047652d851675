import {
  type Condition,
  type FinderParts,
  type FoundEvent,
  fieldIn,
  findEvents,
} from '../../../analytics/index.ts';

/** Events of a page, and values of a condition. */
const PAGE = 500;
const VALUES = 500;

export interface Person {
  readonly tenant: string;
  readonly customer_id: string;
  /** The last sequence that is looked at. */
  readonly upTo: number;
}

/**
 * The messages with events of a person: those that name the customer, and those of their orders and sessions that name
 * no other; whatever a correction says of them. By sequence the parts that are the person's.
 */
export async function messagesOf(
  finder: FinderParts,
  person: Person,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, ReadonlySet<number>>> {
  const messages = new Map<number, Set<number>>();
  const take = ({ sequence, part }: FoundEvent): void => {
    const parts = messages.get(sequence) ?? new Set<number>();
    messages.set(sequence, parts.add(part));
  };
  const [orders, sessions] = [new Set<string>(), new Set<string>()];
  const named = fieldIn('customer_id', ['customer_id'], [person.customer_id]);
  for await (const event of eventsOf(finder, person, named, signal)) {
    take(event);
    const { order_id, session_id } = event.ids;
    if (typeof order_id === 'string' && order_id !== '') orders.add(order_id);
    if (typeof session_id === 'string' && session_id !== '') sessions.add(session_id);
  }
  for (const [field, ids] of [
    ['order_id', [...orders]],
    ['session_id', [...sessions]],
  ] as const) {
    for (let at = 0; at < ids.length; at += VALUES) {
      const condition = fieldIn(field, [field], ids.slice(at, at + VALUES));
      for await (const event of eventsOf(finder, person, condition, signal)) {
        const { customer_id } = event.ids;
        if (customer_id == null || customer_id === '') take(event);
      }
    }
  }
  return messages;
}

/** Events whose payloads are there. */
async function* eventsOf(
  finder: FinderParts,
  { tenant, upTo }: Person,
  condition: Condition,
  signal: AbortSignal,
): AsyncIterable<FoundEvent> {
  const request = {
    ...{ tenant, upTo, condition, order: 'asc' as const, limit: PAGE, words: [], withDisplaced: true },
    ...{ start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER, payloads_max: Number.MAX_SAFE_INTEGER },
    isOver: () => false,
  };
  for (let after: Awaited<ReturnType<typeof findEvents>>['next']; ; ) {
    const page = await findEvents(finder, { ...request, after }, signal);
    for (const event of page.events) if (event.text !== null) yield event;
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** By message and part, whether the event counts: of those of some messages that have a row. */
export async function inForce(
  finder: FinderParts,
  { tenant, upTo }: Person,
  sequences: readonly number[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, boolean>> {
  const range = { start_ms: 0, end_ms: Number.MAX_SAFE_INTEGER, upTo };
  const rows = await finder.selector.select(
    tenant,
    {
      ...{ ...range, order: 'asc', tests: [], withColumns: false, rows_max: Number.POSITIVE_INFINITY },
      ...{ sequences: Float64Array.from(sequences).sort(), limit: 10_000 * sequences.length },
    },
    signal,
  );
  const displaced = new Set(
    (await finder.selector.displaced(tenant, range, signal)).map(
      ({ sequence, part }) => `${sequence}/${part}`,
    ),
  );
  const places = Array.from({ length: rows.length }, (_, at) => `${rows.sequence[at]}/${rows.part[at]}`);
  return new Map(places.map((place) => [place, !displaced.has(place)]));
}
