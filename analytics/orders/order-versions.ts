import { type EventPlace, type FinderParts, parseEventJson } from '../events-query/index.ts';

/** An order whose versions are to be read. Plain data. */
export interface VersionedOrder {
  /** Both words 0: an order by itself, without an id. */
  readonly order: { readonly hi: number; readonly lo: number };
  /** Of each version the places of the events that may be it. */
  readonly versions: readonly (readonly EventPlace[])[];
}

/** Events of one message that are looked at. */
const MESSAGE_MAX_PARTS = 10_000;
const VERSION_TYPES = ['order.created', 'order.updated'];

/**
 * The original events that are the versions of orders, by order, the oldest first, as they were sent. What is not in
 * the stream any more is left out. Throws what `payloads.fetch` throws.
 */
export async function orderVersions(
  { payloads, reader, terms }: Pick<FinderParts, 'payloads' | 'reader' | 'terms'>,
  tenant: string,
  orders: readonly VersionedOrder[],
  signal: AbortSignal,
): Promise<readonly (readonly string[])[]> {
  const places = orders.flatMap(({ versions }) => versions.flat());
  const messages = await payloads.fetch([...new Set(places.map(({ sequence }) => sequence))], signal);
  const isVersion = (text: string, { hi, lo }: VersionedOrder['order']): boolean => {
    const event = Object(parseEventJson(text)) as { readonly type?: unknown; readonly order_id?: unknown };
    if (!VERSION_TYPES.includes(terms.typeOf(String(event.type)))) return false;
    const id = event.order_id;
    if (id === undefined || id === null || id === '') return hi === 0 && lo === 0;
    const words = terms.idHash(tenant, String(id));
    return words.hi === hi && words.lo === lo;
  };
  const textAt = ({ sequence, part }: EventPlace, order: VersionedOrder['order']): string | undefined => {
    const message = messages.get(sequence);
    if (message === null || message === undefined) return undefined;
    const textOf = reader(message);
    for (let next = 0; next < (part === null ? MESSAGE_MAX_PARTS : 1); next++) {
      const text = textOf(part ?? next);
      if (text === undefined) return undefined;
      if (isVersion(text, order)) return text;
    }
    return undefined;
  };
  return orders.map(({ order, versions }) => {
    const texts = versions.flatMap((alternatives) => {
      for (const place of alternatives) {
        const text = textAt(place, order);
        if (text !== undefined) return [text];
      }
      return [];
    });
    return [...new Set(texts)];
  });
}
