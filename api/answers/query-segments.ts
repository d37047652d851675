import {
  askedSegments,
  MAX_SEGMENTS_A_QUERY,
  QueryError,
  type SegmentMembers,
  type SegmentQuery,
  type WithSegments,
} from '../../analytics/index.ts';
import type { Definition } from '../../runtime/index.ts';
import type { SegmentBody, Tenants } from '../tenants/index.ts';

/** Runs the query of one segment; gives the hashes, and the answer's id where it was run. */
export type RunSegment = (
  query: SegmentQuery,
) => Promise<{ readonly query_id?: string; readonly hashes: SharedArrayBuffer }>;

interface AskingQuery {
  readonly end?: unknown;
  readonly as_of?: SegmentQuery['as_of'];
  readonly timezone?: string;
}

/**
 * The query with the customers of the segments that it names, as they are at its end; those of a batch likewise. It
 * then is of the position that the segments were found at, so that both are of one state. A name that there is no
 * segment of is left to the kind of query, which refuses it.
 */
export async function withSegments<Q>(
  query: Q,
  tenants: Pick<Tenants, 'segments'> | undefined,
  tenant: string,
  custom: readonly string[],
  run: RunSegment,
): Promise<Q & WithSegments> {
  if (tenants === undefined) return query as Q & WithSegments;
  const members: SegmentMembers[] = [];
  let position: SegmentQuery['as_of'] | undefined;
  const resolve = async <One extends object>(one: One): Promise<One> => {
    const asked = askedSegments(one, custom);
    const { end, as_of } = one as AskingQuery;
    if (asked === undefined || typeof end !== 'string') return one;
    for (const { id, name, body } of definitionsOf(asked, tenants, tenant)) {
      if (members.some((known) => known.id === id && known.end === end && as_of === undefined)) continue;
      const at = as_of ?? position;
      const { query_id, hashes } = await run({
        ...{ start: ALL_TIME, end, rule: body.rule, currency: body.currency },
        ...{ limit: 0, offset: 0, as_members: true },
        ...(at === undefined ? {} : { as_of: at }),
      });
      if (as_of === undefined && query_id !== undefined) position ??= { query_id };
      members.push({ id, name, end, hashes });
    }
    const at = as_of ?? position;
    return at === undefined ? one : { ...one, as_of: at };
  };
  const given = query as Q & object;
  const { queries } = given as { readonly queries?: unknown };
  if (!Array.isArray(queries)) {
    const resolved = await resolve(given);
    return members.length === 0 ? resolved : { ...resolved, segment_members: members };
  }
  const each: unknown[] = [];
  for (const one of queries as readonly object[]) each.push(await resolve(one));
  return members.length === 0 ? given : { ...given, queries: each, segment_members: members };
}

const ALL_TIME = '1970-01-01T00:00:00Z';

/** Throws QueryError `too_many_groups`. */
function definitionsOf(
  { names, groupsByAll }: { readonly names: readonly string[]; readonly groupsByAll: boolean },
  { segments }: Pick<Tenants, 'segments'>,
  tenant: string,
): readonly Definition<SegmentBody>[] {
  const named = names.flatMap((name) => segments.byName(tenant, name) ?? segments.get(tenant, name) ?? []);
  const found = new Map(
    [...named, ...(groupsByAll ? segments.list(tenant) : [])].map((one) => [one.id, one]),
  );
  if (found.size > MAX_SEGMENTS_A_QUERY) {
    const message =
      `The query is about ${found.size} segments; at most ${MAX_SEGMENTS_A_QUERY} are taken at once. ` +
      'Name those that are wanted in filters.segment.';
    throw new QueryError('too_many_groups', message, [{ path: 'filters.segment', message }]);
  }
  return [...found.values()];
}
