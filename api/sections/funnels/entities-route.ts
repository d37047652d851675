import { z } from 'zod';
import {
  adhocFunnelSchemaOf,
  askedSegments,
  type EntityPlace,
  type FunnelCriteria,
  type FunnelEntitiesQuery,
  type FunnelEntityRow,
  SEGMENT,
  stepNames,
} from '../../../analytics/index.ts';
import type { KindDefinitions } from '../../../runtime/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  endOfMinute,
  HEAD_PROBLEMS,
  metaOf,
  namedEntities,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import { ApiError, type Cursors, type Route, route, timeText } from '../../http/index.ts';
import { type EntitiesQuery, entitiesAnswer, entitiesQuery } from './funnel-schemas.ts';

const ALL_TIME = { start: '1970-01-01T00:00:00Z', end: '2100-01-01T00:00:00Z' };

/** Where a page begins, and the state of the first one: no later event changes it. */
type Place = Pick<FunnelEntitiesQuery, 'as_of' | 'after' | 'watermark_ms' | 'end'>;

interface PageBody {
  readonly entities: readonly FunnelEntityRow[];
  readonly total: number;
  readonly has_more: boolean;
  readonly watermark_ms: number | null;
}

/** Who is behind a number of a stored funnel. */
export function entitiesRoute(
  parts: AnswerParts,
  funnels: KindDefinitions<FunnelCriteria>,
  cursors: Cursors,
): Route {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const schema = adhocFunnelSchemaOf(custom);
  return route({
    id: 'listFunnelEntities',
    audited: 'read',
    method: 'GET',
    path: '/funnels/{id}/entities',
    tag: 'Funnels',
    summary: 'The entities behind a number of a funnel',
    description:
      'Who reached a step; with `status` those who got no further than it. With `group_by` and `group`, those of ' +
      'one group. Pages are of one state: events that arrive change none of them.',
    permission: 'kpis:read',
    params: z.object({ id: z.string().max(128) }),
    query: entitiesQuery,
    answers: { 200: { description: 'A page of entities', schema: entitiesAnswer } },
    problems: [
      ...HEAD_PROBLEMS,
      ...(['not_found', 'invalid_cursor', 'cursor_mismatch'] as const),
      ...(['too_busy', 'stream_unavailable'] as const),
    ],
    handle: async (call) => {
      const found = funnels.get(call.tenant, call.params.id);
      if (found === undefined) throw new ApiError('not_found', 'There is no funnel with this id.');
      const { cursor, ...asked } = call.query;
      const { limit: _, explain: __, ...filter } = asked;
      const bound = { ...filter, funnel: [found.id, found.revision] };
      const place = cursor === undefined ? {} : (cursors.decode(bound, cursor) as Place);
      // Customers are in a segment at a time: now, where none is said.
      const bySegments = asked.group_by === SEGMENT || askedSegments(found.body, custom) !== undefined;
      const end = bySegments ? endOfMinute(parts.ports.clock.now()) : ALL_TIME.end;
      const head = checked(schema, { ...found.body, end, ...membersOf(asked) });
      const { id, name, revision } = found;
      const query: FunnelEntitiesQuery = {
        ...head,
        ...{
          funnel: { id, name, revision },
          step: checkedStep(asked.step, found.body),
          status: asked.status,
        },
        ...(asked.group_by === undefined ? {} : { group: [asked.group ?? ''] }),
        ...{ limit: asked.limit, ...place },
        ...(asked.explain === true ? { explain: true } : {}),
      };
      const wish = { wish: wishOf(query) };
      const { answer, state } = await runQuery(parts, call, queries.funnelEntities, query, wish);
      const { query_id, header, source, explain } = answer;
      const body = answer.body as unknown as PageBody;
      const { entities, total, has_more, watermark_ms } = body;
      const places = entities.map(({ place: own }): EntityPlace => own);
      const named = await namedEntities(parts, call, query.entity, places);
      const names = stepNames(query);
      const last = entities.at(-1)?.place;
      const next: Place = {
        as_of: query.as_of ?? { query_id },
        ...{ watermark_ms, end: query.end },
        after: last === undefined ? undefined : { hi: last.hi, lo: last.lo },
      };
      return {
        status: 200,
        json: {
          ...{ query_id, funnel_id: id, name, entity: query.entity },
          entities: entities.map(({ status, furthest, times_ms }, at) => ({
            ...{ id: named[at]?.id ?? null, key: named[at]?.key, status, step: furthest },
            step_name: names[furthest - 1],
            entered_at: timeText(times_ms[0] as number),
            times: times_ms.map(timeText),
          })),
          total,
          next_cursor: has_more ? cursors.encode(bound, next) : null,
          calculated_at: timeText(parts.ports.clock.now()),
          ...(explain === undefined ? {} : { explain }),
          meta: metaOf(state, call.tenant, { ...header, source }),
        },
      };
    },
  });
}

/** The members of a query that the parameters say. */
function membersOf(asked: Omit<EntitiesQuery, 'cursor'>): Readonly<Record<string, unknown>> {
  const { start = ALL_TIME.start, end, group_by, attribution } = asked;
  const { max_staleness, force_fresh, min_position } = asked;
  return {
    start,
    ...(end === undefined ? {} : { end }),
    ...(group_by === undefined ? {} : { group_by: [group_by] }),
    ...(attribution === undefined ? {} : { attribution }),
    ...(max_staleness === undefined ? {} : { max_staleness }),
    ...(force_fresh === undefined ? {} : { force_fresh }),
    ...(min_position === undefined ? {} : { min_position }),
  };
}

function checked(
  schema: ReturnType<typeof adhocFunnelSchemaOf>,
  given: unknown,
): ReturnType<typeof schema.parse> {
  const { success, data, error } = schema.safeParse(given);
  if (success) return data;
  const errors = error.issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  throw new ApiError('validation_failed', `\`${errors[0]?.path}\` ${errors[0]?.message}.`, { errors });
}

function checkedStep(step: number, { steps }: FunnelCriteria): number {
  if (step <= steps.length) return step;
  const message = `names step ${step} of a funnel of ${steps.length}`;
  throw new ApiError('validation_failed', `\`step\` ${message}.`, { errors: [{ path: 'step', message }] });
}
