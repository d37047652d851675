import { z } from 'zod';
import type { DimensionState } from '../../../runtime/index.ts';
import { definitionRoutes } from '../../definitions/index.ts';
import { ApiError, type ApiPorts, type Cursors, type Route } from '../../http/index.ts';
import type { TenantDimensions } from '../../tenants/index.ts';

const DESCRIPTION = `A dimension of your own is a member of your events, or of their \`data\`, or what \`path\` leads to: queries,
metrics, cubes, funnels and cohorts group and filter by it like by any other. It is built from all events that are
kept while everything else goes on; until it is \`ready\` a query that names it is refused with
\`dimension_backfilling\`. It is your tenant's: others do not see it.`;

const stateSchema = z.object({
  status: z
    .enum(['building', 'ready', 'failed'])
    .describe('`building`: queries that name it are refused until it is `ready`'),
  backfilling: z.number().optional().describe('While it is built: the share that is done, 0 to 1'),
  reason: z.object({ code: z.string(), message: z.string() }).optional().describe('Why it failed'),
});

function stateOf(state: ReturnType<TenantDimensions['stateOf']>): z.output<typeof stateSchema> {
  if (state.status === 'ready') return { status: 'ready' };
  if (state.status === 'building') {
    return { status: 'building', backfilling: Math.floor(state.share * 1_000) / 1_000 };
  }
  const { code, message } = state;
  return { status: 'failed', reason: { code, message } };
}

export function dimensionRoutes(
  ports: ApiPorts,
  dimensions: TenantDimensions,
  cursors: Cursors,
): readonly Route[] {
  const routes = definitionRoutes(dimensions.definitions, cursors, {
    path: '/dimensions',
    noun: 'dimension',
    tag: 'Definitions',
    description: DESCRIPTION,
    examples: {
      tier: {
        summary: 'A member of `data`',
        value: { name: 'loyalty_tier', path: 'data.loyalty_tier' },
      },
      carrier: {
        summary: 'A member that lies deeper',
        value: { name: 'carrier', path: 'data.delivery.carrier' },
      },
    },
    shown: {
      members: { state: stateSchema },
      example: { state: { status: 'building', backfilling: 0.42 } },
      of: (definitions) =>
        definitions.flatMap(({ tenant, id }) => {
          const definition = dimensions.definitions.get(tenant, id);
          // Deleted meanwhile: it needs no state.
          const state: DimensionState =
            definition === undefined ? { status: 'building', share: 0 } : dimensions.stateOf(definition);
          return [{ state: stateOf(state) }];
        }),
    },
  });
  return routes.map((route) => (route.method === 'POST' ? withBuilder(ports, route) : route));
}

/** A process that has no task cannot build one. */
function withBuilder({ generations }: ApiPorts, route: Route): Route {
  if (generations !== undefined) return route;
  return {
    ...route,
    problems: [...route.problems, 'not_supported'],
    serve: () => {
      throw new ApiError(
        'not_supported',
        'This process cannot build dimensions. Declare them by CUSTOM_DIMENSIONS.',
      );
    },
  };
}
