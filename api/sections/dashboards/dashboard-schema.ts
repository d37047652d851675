import { z } from 'zod';
import { relativeRangeSchema } from '../../../analytics/index.ts';
import { overridesSchema, savedQuerySchema } from '../queries/index.ts';

/** Widgets of one dashboard. */
export const MAX_WIDGETS = 50;
const MAX_GRID = 1_000;

const WIDGET_TYPES = ['timeseries', 'number', 'bar', 'pie', 'table', 'funnel', 'heatmap', 'text'] as const;

const layoutSchema = z.strictObject({
  x: z.int().min(0).max(MAX_GRID),
  y: z.int().min(0).max(MAX_GRID),
  w: z.int().min(1).max(MAX_GRID),
  h: z.int().min(1).max(MAX_GRID),
});

const widgetMembers = {
  type: z.enum(WIDGET_TYPES).describe('How it is drawn; any of them can show any query'),
  title: z.string().max(200).optional(),
  query_id: z.string().max(128).optional().describe('A saved query; `queryId` is taken, too'),
  query: savedQuerySchema.optional().describe('In place of a saved one'),
  overrides: overridesSchema.optional().describe('Of the saved query, for this widget'),
};

/** The spec's own spelling of the member is taken for ours. */
const spelled = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || !('queryId' in value) || 'query_id' in value)
    return value;
  const { queryId, ...rest } = value;
  return { ...rest, query_id: queryId };
};

const hasOneQuery = ({ query_id, query }: { query_id?: unknown; query?: unknown }): boolean =>
  (query_id === undefined) !== (query === undefined);
const ONE_QUERY = 'must have either `query_id` or `query`';

/** A widget that is drawn without being kept. */
export const previewSchema = z.preprocess(
  spelled,
  z.strictObject(widgetMembers).refine(hasOneQuery, { path: ['query'], error: ONE_QUERY }),
);

const widgetSchema = z.preprocess(
  spelled,
  z
    .strictObject({
      ...widgetMembers,
      text: z.string().max(10_000).optional().describe('Of `text`, Markdown'),
      layout: layoutSchema.optional().describe('In cells of a grid'),
    })
    .refine((widget) => (widget.type === 'text' ? widget.text !== undefined : hasOneQuery(widget)), {
      path: ['query'],
      error: `${ONE_QUERY}; a widget of type \`text\` has \`text\``,
    }),
);
export type Widget = z.output<typeof widgetSchema>;

export const dashboardSchema = z.strictObject({
  description: z.string().max(1_000).optional(),
  widgets: z.array(widgetSchema).max(MAX_WIDGETS).default([]),
  range: relativeRangeSchema.optional().describe('Of all widgets, in place of their own'),
  sharing: z
    .enum(['tenant', 'private'])
    .default('tenant')
    .describe('`private`: only who made it and the admins of the tenant know of it'),
});
export type Dashboard = z.output<typeof dashboardSchema>;
