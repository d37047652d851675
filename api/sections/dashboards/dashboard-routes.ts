import { z } from 'zod';
import { relativeRangeSchema } from '../../../analytics/index.ts';
import type { Definition, DefinitionKind, KindDefinitions } from '../../../runtime/index.ts';
import { DEFINITION_MEMBERS, definitionRoutes, definitionView } from '../../definitions/index.ts';
import {
  ApiError,
  allows,
  booleanParam,
  type Cursors,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { askerOf, type Overrides, SAVED_RUN_PROBLEMS, type SavedQuery } from '../queries/index.ts';
import { builtInDashboards } from './built-in.ts';
import { type DashboardParts, dashboardData, queryOfWidget } from './dashboard-data.ts';
import { type Dashboard, dashboardSchema } from './dashboard-schema.ts';

const DASHBOARD_KIND = 'dashboard';

/** Dashboards; `check` throws where a query fits no family. */
export function dashboardKind(
  check: (tenant: string, query: SavedQuery) => void,
  saved: () => DashboardParts['saved'],
): DefinitionKind<Dashboard> {
  return {
    kind: DASHBOARD_KIND,
    schema: dashboardSchema,
    check: ({ tenant, body: { widgets } }) => {
      for (const [at, widget] of widgets.entries()) {
        const query = queryOfWidget({ saved: saved() }, tenant, widget, `widgets.${at}.query_id`);
        if (query !== undefined) check(tenant, query);
      }
    },
  };
}

/** Names of the dashboards that show a saved query. */
export function dashboardsOf(
  dashboards: KindDefinitions<Dashboard>,
  tenant: string,
  query_id: string,
): readonly string[] {
  return dashboards
    .list(tenant)
    .filter(({ body }) => body.widgets.some((widget) => widget.query_id === query_id))
    .map(({ name }) => name);
}

/** Who may know of a dashboard: all of its tenant, or who made it and the admins. */
function isVisible({ principal }: Pick<RawCall, 'principal'>, definition: Definition<unknown>): boolean {
  const { sharing } = definition.body as Dashboard;
  return (
    sharing === 'tenant' || definition.created_by === principal.key_id || allows(principal, 'keys:manage')
  );
}

/** The dashboard of an id, a built-in one too, whoever may know of it. */
export function findDashboard(
  dashboards: KindDefinitions<Dashboard>,
  tenant: string,
  id: string,
): Definition<Dashboard> | undefined {
  return dashboards.get(tenant, id) ?? builtInDashboards(tenant).find((one) => one.id === id);
}

/** The dashboard of an id, a built-in one too, where the caller may know of it. Throws 404. */
export function requireDashboard(
  dashboards: KindDefinitions<Dashboard>,
  call: Pick<RawCall, 'tenant' | 'principal'>,
  id: string,
): Definition<Dashboard> {
  const found = findDashboard(dashboards, call.tenant, id);
  if (found !== undefined && isVisible(call, found)) return found;
  throw new ApiError('not_found', 'There is no dashboard with this id.');
}

const EXAMPLE = {
  name: 'Sales',
  widgets: [
    {
      ...{ type: 'timeseries', title: 'Revenue by day', layout: { x: 0, y: 0, w: 12, h: 4 } },
      query: {
        type: 'kpis',
        query: { metrics: ['revenue_gross'], granularity: '1d' },
        range: 'last_30d',
      },
    },
    { type: 'text', text: 'Revenue is gross of refunds.', layout: { x: 0, y: 4, w: 12, h: 1 } },
  ],
  sharing: 'tenant',
};

const time = z.string().max(64).optional();
const whenQuery = {
  start: time.describe('Of all widgets, in place of their own range'),
  end: time,
  range: relativeRangeSchema.optional(),
  timezone: z.string().min(1).max(64).optional(),
};

/** The data of a dashboard, as the API gives them. */
export const dataSchema = z.object({
  widgets: z
    .array(
      z
        .object({
          query_type: z.string().optional(),
          answer: z.looseObject({}).optional().describe('As the route of the query answers'),
          view: z
            .looseObject({})
            .optional()
            .describe('`series` over time, `values` of the whole range, and a `table`, as charts take them'),
          problem: z.looseObject({}).optional().describe('Why the widget has no answer'),
        })
        .nullable(),
    )
    .describe('In the order of the widgets; null of a text'),
  sequence: z.int().nullable().describe('The position in EVENTS that all answers are of'),
  calculated_at: z.string(),
});

/** What is asked of the range in a request. */
export function overridesOf(query: {
  readonly start?: string | undefined;
  readonly end?: string | undefined;
  readonly range?: string | undefined;
  readonly timezone?: string | undefined;
}): Overrides {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined));
}

/** Section 9: dashboards. */
export function dashboardRoutes(
  parts: DashboardParts,
  dashboards: KindDefinitions<Dashboard>,
  cursors: Cursors,
): readonly Route[] {
  const view = z.object({ ...DEFINITION_MEMBERS, ...dashboardSchema.shape, data: dataSchema.optional() });
  return [
    route({
      id: 'getDashboard',
      method: 'GET',
      path: '/dashboards/{id}',
      tag: 'Dashboards',
      summary: 'One dashboard; with `data=true` the data of all its widgets',
      description:
        'The data of all widgets are of one position of the stream, so that their numbers fit together. A widget ' +
        'whose query cannot be answered has a `problem` in place of its data; the others are answered.',
      permission: 'definitions:read',
      params: z.object({ id: z.string().max(128) }),
      query: z.strictObject({ data: booleanParam.optional(), ...whenQuery }),
      answers: { 200: { description: 'The dashboard', schema: view } },
      problems: [...SAVED_RUN_PROBLEMS, 'not_found'],
      handle: async (call) => {
        const { data, ...when } = call.query;
        const found = requireDashboard(dashboards, call, call.params.id);
        const body = definitionView(found);
        if (data !== true) return { status: 200, json: body, headers: { ETag: `"${found.revision}"` } };
        return {
          status: 200,
          json: { ...body, data: await dashboardData(parts, askerOf(call), found.body, overridesOf(when)) },
        };
      },
    }),
    ...definitionRoutes(dashboards, cursors, {
      ...{ path: '/dashboards', noun: 'dashboard', tag: 'Dashboards', ownGet: true },
      description:
        'Widgets with their queries and places. Three are there from the beginning, and cannot be changed: ' +
        '`dashboard_overview`, `dashboard_acquisition`, `dashboard_operations`.',
      examples: { sales: { summary: 'A chart and a text', value: EXAMPLE } },
      visible: isVisible,
      builtIn: builtInDashboards,
    }),
  ];
}
