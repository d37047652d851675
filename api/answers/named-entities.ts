import { type EntityMember, type EntityPlace, entityIds, MAX_ENTITY_PLACES } from '../../analytics/index.ts';
import type { RawCall } from '../http/index.ts';
import type { AnswerParts } from './answer-meta.ts';
import { MASK, maskFor } from './pii-mask.ts';

/** An entity in an answer. */
export interface NamedEntity {
  /** null: no event that says it is in the stream any more. Masked where events mask it for the caller. */
  readonly id: string | null;
  /** The log's own name of the entity, 16 hex digits: the same in every answer. */
  readonly key: string;
}

/** The entities with their ids, which the original events in the stream say. */
export async function namedEntities(
  { ports, tenants }: Pick<AnswerParts, 'ports' | 'tenants'>,
  { tenant, request, principal }: Pick<RawCall, 'tenant' | 'request' | 'principal'>,
  member: EntityMember,
  places: readonly EntityPlace[],
): Promise<NamedEntity[]> {
  if (maskFor(principal, tenants?.maskedOf(tenant)).hides(member))
    return places.map((place) => ({ id: MASK, key: keyOf(place) }));
  const finder = ports.finder?.();
  const named: NamedEntity[] = [];
  for (let from = 0; from < places.length; from += MAX_ENTITY_PLACES) {
    const slice = places.slice(from, from + MAX_ENTITY_PLACES);
    const ids = finder === undefined ? [] : await entityIds(finder, tenant, member, slice, request.signal);
    for (const [at, place] of slice.entries()) named.push({ id: ids[at] ?? null, key: keyOf(place) });
  }
  return named;
}

function keyOf({ hi, lo }: EntityPlace): string {
  return [hi, lo].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}
