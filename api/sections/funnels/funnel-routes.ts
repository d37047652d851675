import { z } from 'zod';
import {
  adhocFunnelSchemaOf,
  askedSegments,
  FUNNEL_DEFINITION,
  type FunnelCriteria,
  type FunnelQuery,
  funnelDefinitionSchemaOf,
  funnelMembersOf,
  KEPT_LEFT_OUT,
  keptProgress,
  OPERATORS,
} from '../../../analytics/index.ts';
import { type DefinitionKind, invalidMember, type KindDefinitions } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, queryRoute } from '../../answers/index.ts';
import { builtStates, definitionRoutes } from '../../definitions/index.ts';
import {
  ApiError,
  type ApiPorts,
  byDimensions,
  type Cursors,
  type ProblemCode,
  type Route,
} from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';
import { entitiesRoute } from './entities-route.ts';
import { FUNNEL_EXAMPLE, funnelAnswer } from './funnel-schemas.ts';

/** Stored funnels. */
export function funnelDefinitionKind(
  ports: Pick<ApiPorts, 'settings'>,
  { segments }: Pick<Tenants, 'segments'>,
): DefinitionKind<FunnelCriteria> {
  const schema = byDimensions(ports, funnelDefinitionSchemaOf);
  return {
    kind: FUNNEL_DEFINITION,
    get schema() {
      return schema();
    },
    check: ({ tenant, body }) => {
      const { names = [] } = askedSegments(body, ports.settings.customDimensions) ?? {};
      for (const name of names)
        if (segments.byName(tenant, name) === undefined && segments.get(tenant, name) === undefined)
          throw invalidMember('steps', `name a segment "${name}", which there is not`);
    },
  };
}

const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };
const STEPS = {
  steps: [
    { event: 'visit' },
    { event: 'add_to_cart' },
    { event: 'checkout_initiated' },
    { event: 'payment_succeeded' },
  ],
  window: '7d',
};
const PROBLEMS = ['too_many_points', 'too_many_groups'] as const satisfies readonly ProblemCode[];

const RULES =
  'The range restricts the entry (step 1); a conversion may follow until the end of the window. Each entity counts ' +
  'once, at its furthest attempt, and is `converted`, `in_progress` (the window ends after the watermark) or ' +
  '`dropped`. One event fills one step. Groups are by the values of the event that filled the step of ' +
  '`attribution`.';

const DEFINITION = `A sequence of events within a window, with the rules by which it is counted. The pipeline keeps of
each entity the events that matter to a stored funnel, so that queries of it need no scan; \`state\` says from when on
it has them all. The numbers are the same with and without it; \`meta.source\` says what was read.`;

/** Section 4: funnels. */
export function funnelRoutes(
  parts: AnswerParts,
  funnels: KindDefinitions<FunnelCriteria>,
  cursors: Cursors,
): readonly Route[] {
  const { custom, queries } = analyticsOf(parts.ports.settings);
  const route = {
    permission: 'kpis:read',
    kind: queries.funnel,
    answer: funnelAnswer,
    example: FUNNEL_EXAMPLE,
    tag: 'Funnels',
  } as const;
  return [
    queryRoute(parts, {
      ...{ ...route, id: 'queryAdhocFunnel', path: '/funnels/adhoc', problems: PROBLEMS },
      summary: 'A funnel that is not stored',
      description: RULES,
      body: adhocFunnelSchemaOf(custom),
      body_examples: {
        checkout: { summary: 'From visit to payment', value: { ...STEPS, ...RANGE } },
        strict: {
          summary: 'From cart to order without a cancellation between, by channel and day',
          value: {
            ...RANGE,
            steps: [
              { event: 'add_to_cart', filters: { channel: ['web', 'app'] } },
              { event: 'order.created' },
            ],
            ...{ window: '2d', entry: 'first', entity: 'session_id', hold_constant: ['country'] },
            exclusions: [{ event: 'order.cancelled', from: 1, to: 2, effect: 'drop_attempt' }],
            ...{ group_by: ['channel'], attribution: 'last_step', granularity: '1d' },
          },
        },
      },
    }),
    queryRoute(parts, {
      ...{ ...route, id: 'queryFunnel', path: '/funnels/{id}/query', problems: [...PROBLEMS, 'not_found'] },
      summary: 'A stored funnel',
      description: RULES,
      params: z.object({ id: z.string().max(128) }),
      body: z.strictObject(funnelMembersOf(custom)),
      body_examples: {
        month: { summary: 'A month, by channel', value: { ...RANGE, group_by: ['channel'] } },
      },
      queryOf: ({ tenant, params }, body): FunnelQuery => {
        const found = funnels.get(tenant, params.id);
        if (found === undefined) throw new ApiError('not_found', 'There is no funnel with this id.');
        const { id, name, revision } = found;
        return { ...body, ...found.body, funnel: { id, name, revision } };
      },
    }),
    entitiesRoute(parts, funnels, cursors),
    ...definitionRoutes(funnels, cursors, {
      ...{ path: '/funnels', noun: 'funnel', tag: 'Funnels', aliases: ['define'] },
      description: DEFINITION,
      examples: {
        checkout: { summary: 'From visit to payment', value: { name: 'checkout', ...STEPS } },
      },
      shown: builtStates(parts.ports, {
        kind: FUNNEL_DEFINITION,
        progress: (table) => keptProgress(table, OPERATORS.funnels),
        leftOut: KEPT_LEFT_OUT,
      }),
    }),
  ];
}
