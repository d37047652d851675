import { z } from 'zod';
import type { DefinitionKind, KindDefinitions } from '../../../runtime/index.ts';
import { BODY_PROBLEMS, HEAD_PROBLEMS, metaSchema } from '../../answers/index.ts';
import { definitionRoutes, requireDefinition } from '../../definitions/index.ts';
import type { ProblemCode, RawCall, Route } from '../../http/index.ts';
import { type Cursors, route } from '../../http/index.ts';
import type { FamilyAsker } from './query-families.ts';
import {
  overridesSchema,
  type QueryDefinition,
  queryDefinitionSchema,
  type SavedQuery,
} from './saved-query.ts';
import type { SavedRuns } from './saved-runs.ts';

export const SAVED_QUERY_KIND = 'query';

/** Saved queries; `check` throws where one fits no family, `users` are the names of what asks a query. */
export function savedQueryKind(
  check: (tenant: string, query: SavedQuery) => void,
  usersOf: (tenant: string, id: string) => readonly string[],
  inUse: (users: readonly string[]) => Error,
): DefinitionKind<QueryDefinition> {
  return {
    kind: SAVED_QUERY_KIND,
    schema: queryDefinitionSchema,
    check: ({ tenant, body }) => check(tenant, body),
    checkDelete: ({ tenant, id }) => {
      const users = usersOf(tenant, id);
      if (users.length > 0) throw inUse(users);
    },
  };
}

/** Problems of whatever a saved query may ask. */
export const SAVED_RUN_PROBLEMS = [
  ...HEAD_PROBLEMS,
  'role_forbidden',
  'too_many_points',
  'too_many_groups',
  'aggregation_not_supported',
  'currency_required',
  'fx_rate_missing',
  'amount_too_large',
  'not_enough_data',
  'invalid_cursor',
  'cursor_mismatch',
  'too_busy',
  'stream_unavailable',
] as const satisfies readonly ProblemCode[];

export const savedAnswerSchema = z
  .looseObject({ meta: metaSchema.partial().loose().optional() })
  .describe('As the route of the query answers');

/** Who asks, of a request. */
export const askerOf = (call: RawCall): FamilyAsker => {
  const { request_id, principal, tenant, base, log, inspect, request } = call;
  return {
    ...{ request_id, principal, tenant, base, log, signal: request.signal },
    ...(inspect === undefined ? {} : { inspect }),
  };
};

const DAILY = {
  name: 'daily revenue',
  type: 'kpis',
  query: { metrics: ['revenue_gross', 'orders_count'], granularity: '1d', group_by: ['channel'] },
  range: 'last_30d',
};
const FUNNEL = {
  name: 'checkout of the month',
  type: 'funnel',
  query: { steps: [{ event: 'visit' }, { event: 'order.created' }], window: '7d' },
  range: 'this_month',
};

const TEXT =
  'The body of a route that answers a query, under a name. Its range of time may move with the clock (`range`), be ' +
  'fixed (`start` and `end` in the query), or be given with each run. Reports, exports and dashboards name it by ' +
  'its id.';

/** Section 9: queries that are kept. */
export function savedQueryRoutes(
  saved: KindDefinitions<QueryDefinition>,
  runs: SavedRuns,
  cursors: Cursors,
): readonly Route[] {
  return [
    route({
      id: 'runSavedQuery',
      method: 'POST',
      path: '/queries/{id}/run',
      tag: 'Dashboards',
      summary: 'Ask a saved query, with other values where they are given',
      description:
        'The body is a JSON merge patch of the query: `start` and `end`, or `range`, and any other member. The answer ' +
        'is that of the route of the query. While neither events nor definitions have changed, it is given again ' +
        'without being computed; `calculated_at` says of when it is.',
      permission: 'kpis:read',
      params: z.object({ id: z.string().max(128) }),
      body: overridesSchema,
      body_examples: { week: { summary: 'Of the last seven days', value: { range: 'last_7d' } } },
      answers: { 200: { description: 'The answer', schema: savedAnswerSchema } },
      problems: [...BODY_PROBLEMS, ...SAVED_RUN_PROBLEMS, 'not_found'],
      handle: async (call) => {
        const { body } = requireDefinition(saved, call, call.params.id);
        const asker = askerOf(call);
        return { status: 200, json: await runs.run(asker, await runs.resolve(asker, body, call.body)) };
      },
    }),
    ...definitionRoutes(saved, cursors, {
      ...{ path: '/queries', noun: 'query', collection: 'queries', tag: 'Dashboards' },
      description: TEXT,
      examples: {
        daily: { summary: 'Revenue by day of the last 30 days', value: DAILY },
        funnel: { summary: 'A funnel of this month', value: FUNNEL },
      },
      shown: {
        members: { query_id: z.string().describe('The id again: what dashboards and reports call it') },
        of: (definitions) => definitions.map(({ id }) => ({ query_id: id })),
        example: { query_id: 'query_01J4ZQ8W6N3V5T7R9P1M3K5H7F' },
      },
    }),
  ];
}
