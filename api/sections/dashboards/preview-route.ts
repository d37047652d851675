import { z } from 'zod';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { type Route, route } from '../../http/index.ts';
import { askerOf, SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import { type DashboardParts, queryOfWidget, widgetData } from './dashboard-data.ts';
import { previewSchema } from './dashboard-schema.ts';

const EXAMPLE = {
  type: 'timeseries',
  query: {
    type: 'kpis',
    query: { metrics: ['orders_count'], granularity: '1d', group_by: ['country'] },
    range: 'last_7d',
  },
};

/** What a widget would show, without a dashboard. */
export function previewRoute(parts: DashboardParts): Route {
  return route({
    id: 'previewWidget',
    method: 'POST',
    path: '/widgets/preview',
    tag: 'Dashboards',
    summary: 'What a widget would show',
    description:
      'The answer of its query, and `view`: the same as lines over time, single values and a table, as charts take ' +
      'them. The query is a saved one (`query_id`, with `overrides`) or stands in the body.',
    permission: 'kpis:read',
    body: previewSchema,
    body_examples: { daily: { summary: 'Orders by day and country', value: EXAMPLE } },
    answers: {
      200: {
        description: 'The data of the widget',
        schema: z.object({
          type: z.string(),
          title: z.string().optional(),
          query_type: z.string(),
          answer: z.looseObject({}),
          view: z.looseObject({}),
        }),
      },
    },
    problems: [...BODY_PROBLEMS, ...SAVED_RUN_PROBLEMS, 'not_found'],
    handle: async (call) => {
      const { type, title, overrides = {} } = call.body;
      const query = queryOfWidget(parts, call.tenant, call.body, 'query_id');
      if (query === undefined) throw new Error('a preview has a query');
      const data = await widgetData(parts, askerOf(call), query, overrides);
      return { status: 200, json: { type, ...(title === undefined ? {} : { title }), ...data } };
    },
  });
}
