import type { EntityPlace, FamilyAnswer, QueryHead } from '../../../analytics/index.ts';
import { type AnswerParts, namedEntities } from '../../answers/index.ts';
import type { Cursors, RawCall } from '../../http/index.ts';

/** A query whose answer lists customers, page by page. */
export type PagedQuery = QueryHead & {
  readonly offset: number;
  readonly limit: number;
  /** The client gave no `end`: pages have that of the first one. */
  readonly end_is_now?: boolean;
};

/** The place of a page: the position of the first one's state, so that events that arrive change no page. */
interface Place {
  readonly as_of: NonNullable<PagedQuery['as_of']>;
  readonly offset: number;
  readonly end?: string;
}

/** What a cursor is bound to. */
function filterOf({ offset: _, as_of: __, limit: ___, explain: ____, end, ...query }: PagedQuery): object {
  return query.end_is_now === true ? query : { ...query, end };
}

/** The query of the page that a cursor names. Throws ApiError `invalid_cursor`, `cursor_mismatch`. */
export function pageQuery<Q extends PagedQuery>(cursors: Cursors, query: Q, cursor: string | undefined): Q {
  return cursor === undefined ? query : { ...query, ...(cursors.decode(filterOf(query), cursor) as Place) };
}

/** The members of an answer, its `customers` with their ids, and the cursor of the next page. */
export async function customerPage(
  parts: AnswerParts,
  call: RawCall,
  cursors: Cursors,
  query: PagedQuery,
  { query_id, body: members }: Pick<FamilyAnswer, 'query_id' | 'body'>,
): Promise<Readonly<Record<string, unknown>>> {
  const found = members.customers as readonly ({ readonly customer: EntityPlace } & object)[];
  const places = found.map(({ customer }) => customer);
  const named = await namedEntities(parts, call, 'customer_id', places);
  const offset = query.offset + found.length;
  const end = query.end_is_now === true ? { end: query.end } : {};
  const place: Place = { as_of: query.as_of ?? { query_id }, offset, ...end };
  const isLast = found.length === 0 || offset >= (members.customers_total as number);
  return {
    ...members,
    customers: found.map(({ customer: _, ...rest }, at) => ({
      ...{ customer_id: named[at]?.id ?? null, customer_key: named[at]?.key },
      ...rest,
    })),
    next_cursor: isLast ? null : cursors.encode(filterOf(query), place),
  };
}
