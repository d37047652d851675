import { parseEventJson } from './event-json.ts';
import type { FinderParts } from './find-events.ts';

/** The member of an event that names an entity. */
export type EntityMember = 'customer_id' | 'session_id' | 'order_id';

/** An event that may say the id of an entity, and the entity's hash. Plain data. */
export interface EntityPlace {
  readonly hi: number;
  readonly lo: number;
  /** Events of the entity: the first that says the id is taken. */
  readonly events: readonly EventPlace[];
}

/** A message of the stream, and which event of it: null is any. */
export interface EventPlace {
  readonly sequence: number;
  readonly part: number | null;
}

/** Places that one call looks up. */
export const MAX_ENTITY_PLACES = 1_000;
/** Events of one message that are looked at for an id. */
const MESSAGE_MAX_PARTS = 1_000;

/**
 * The ids of entities, in the order of `places`: the log has hashes, the original events in the stream have the ids.
 * undefined where none of the events says an id of that hash, or all are gone. Throws what `payloads.fetch` throws.
 */
export async function entityIds(
  { payloads, reader, terms }: Pick<FinderParts, 'payloads' | 'reader' | 'terms'>,
  tenant: string,
  member: EntityMember,
  places: readonly EntityPlace[],
  signal: AbortSignal,
): Promise<(string | undefined)[]> {
  if (places.length > MAX_ENTITY_PLACES) throw new RangeError(`more than ${MAX_ENTITY_PLACES} entities`);
  const ids: (string | undefined)[] = places.map(() => undefined);
  const tries = Math.max(0, ...places.map(({ events }) => events.length));
  for (let attempt = 0; attempt < tries; attempt++) {
    const open = places.flatMap((place, at) => {
      const event = ids[at] === undefined ? place.events[attempt] : undefined;
      return event === undefined ? [] : [{ ...place, at, event }];
    });
    if (open.length === 0) break;
    const messages = await payloads.fetch([...new Set(open.map(({ event }) => event.sequence))], signal);
    for (const { hi, lo, at, event } of open) {
      const message = messages.get(event.sequence);
      if (message === null || message === undefined) continue;
      const textOf = reader(message);
      const parts = event.part === null ? MESSAGE_MAX_PARTS : 1;
      for (let next = 0; next < parts && ids[at] === undefined; next++) {
        const text = textOf(event.part ?? next);
        if (text === undefined) break;
        const id = idIn(text, member);
        const words = id === undefined ? undefined : terms.idHash(tenant, id);
        if (words?.hi === hi && words.lo === lo) ids[at] = id;
      }
    }
  }
  return ids;
}

function idIn(text: string, member: EntityMember): string | undefined {
  const event = parseEventJson(text);
  if (typeof event !== 'object' || event === null) return undefined;
  const id = (event as Readonly<Record<string, unknown>>)[member];
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}
