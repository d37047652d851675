import {
  CUBE_KIND,
  type CubeBody,
  cubeBodySchemaOf,
  cubeProgress,
  OPERATORS,
} from '../../../analytics/index.ts';
import type { DefinitionKind, KindDefinitions } from '../../../runtime/index.ts';
import { builtStates, definitionRoutes } from '../../definitions/index.ts';
import { type ApiPorts, byDimensions, type Cursors, type Route } from '../../http/index.ts';

/** Cubes of one tenant: each event of the tenant costs a cell of each of them. */
const MAX_CUBES = 100;

const DESCRIPTION = `A cube keeps the sums of all KPIs by its dimensions, so that queries with these groups and filters
are answered without a scan. The numbers are the same with and without it; \`meta.source\` says what was read. It is
built from the event log while events come in, newest first, and answers for the time that it is complete for:
\`state\` says how far it is. Deleting it costs only time.`;

export function cubeKind(ports: Pick<ApiPorts, 'settings'>): DefinitionKind<CubeBody> {
  const schema = byDimensions(ports, cubeBodySchemaOf);
  return {
    kind: CUBE_KIND,
    get schema() {
      return schema();
    },
    limit: MAX_CUBES,
  };
}

export function cubeRoutes(
  ports: ApiPorts,
  cubes: KindDefinitions<CubeBody>,
  cursors: Cursors,
): readonly Route[] {
  return definitionRoutes(cubes, cursors, {
    path: '/cubes',
    noun: 'cube',
    tag: 'Definitions',
    description: DESCRIPTION,
    examples: {
      regions: {
        summary: 'Campaigns by region and day',
        value: { name: 'campaigns by region', dimensions: ['campaign', 'region'], granularity: '1d' },
      },
      hourly: {
        summary: 'Warehouses by the hour',
        value: { name: 'warehouses', dimensions: ['warehouse'], granularity: '1h' },
      },
    },
    shown: builtStates(ports, {
      kind: CUBE_KIND,
      progress: (table) => cubeProgress(table, OPERATORS.cubes),
    }),
  });
}
