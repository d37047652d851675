import {
  askedSegments,
  MAX_SEGMENTS_A_QUERY,
  QueryError,
  type SegmentMembers,
  type SegmentQuery,
  type StreamPosition,
  type WithSegments,
} from '../../analytics/index.ts';
import type { Definition } from '../../runtime/index.ts';
import type { SegmentBody, Tenants } from '../tenants/index.ts';

/** Gives the hashes of a segment's customers, and the position that they are of where it was looked for. */
export type RunSegment = (
  query: SegmentQuery,
) => Promise<{ readonly position?: StreamPosition; readonly hashes: SharedArrayBuffer }>;

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
  { custom, now_ms }: { readonly custom: readonly string[]; readonly now_ms: number },
  run: RunSegment,
): Promise<Q & WithSegments> {
  if (tenants === undefined) return query as Q & WithSegments;
  const members: SegmentMembers[] = [];
  let position: SegmentQuery['as_of'] | undefined;
  const resolve = async <One extends object>(one: One): Promise<One> => {
    const asked = askedSegments(one, custom);
    const { end = endOfMinute(now_ms), as_of } = one as AskingQuery;
    if (asked === undefined || typeof end !== 'string') return one;
    for (const { id, name, body } of definitionsOf(asked, tenants, tenant)) {
      if (members.some((known) => known.id === id && known.end === end && as_of === undefined)) continue;
      const at = as_of ?? position;
      const found = await run({
        ...{ start: ALL_TIME, end, rule: body.rule, currency: body.currency },
        ...{ limit: 0, offset: 0, as_members: true },
        ...(at === undefined ? {} : { as_of: at }),
      });
      if (as_of === undefined) position ??= found.position;
      members.push({ id, name, end, hashes: found.hashes });
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

/** The minute after a time: the end of what has come by then. */
export function endOfMinute(now_ms: number): string {
  return new Date(Math.ceil((now_ms + 1) / MINUTE_MS) * MINUTE_MS).toISOString();
}

const MINUTE_MS = 60_000;
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
