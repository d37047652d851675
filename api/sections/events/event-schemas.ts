import { z } from 'zod';
import {
  AMOUNT_FIELDS,
  kpiQuerySchema,
  MAX_CONDITION_DEPTH,
  MAX_CONDITION_TEXT_CHARS,
  MAX_CONDITIONS,
  ROW_DIMENSIONS,
} from '../../../analytics/index.ts';
import { metaSchema } from '../../answers/index.ts';
import { booleanParam, listQuery, positionSchema } from '../../http/index.ts';
import { positionParam } from '../kpis/index.ts';

/** Payloads that a search reads if nothing else is said, and at most. */
export const DEFAULT_SCAN_PAYLOADS = 1_000_000;
export const MAX_SCAN_PAYLOADS = 20_000_000;

const id = (what: string) => z.string().min(1).max(128).optional().describe(what);
const timestamp = (what: string) => z.string().max(64).optional().describe(`${what}, RFC 3339 with offset`);
const order = z
  .enum(['asc', 'desc'])
  .default('desc')
  .describe('By event time, ties by place in the stream; `desc`: the newest first');
const { limit, cursor } = listQuery;
const { max_staleness, force_fresh, min_position } = kpiQuerySchema.shape;

const DIMENSIONS = Object.fromEntries(
  ROW_DIMENSIONS.map((name) => [name, id(`Value of \`${name}\``)]),
) as Record<(typeof ROW_DIMENSIONS)[number], ReturnType<typeof id>>;

/** Filters by a field: of an event of its own, not what it has from its order. */
export const FILTERS = {
  order_id: id('Events that name this order'),
  customer_id: id('Events that name this customer'),
  session_id: id('Events that name this session'),
  type: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Type, by its normal form: case, `.`, `_` and `-` are one'),
  currency: id('Currency, without case'),
  ...DIMENSIONS,
  sku: id("The event's own, or that of any of its items"),
};

const explain = booleanParam
  .optional()
  .describe('Answers what would be read, without reading it; `dry_run` and `explain` are one here');

export const listEventsQuery = z.strictObject({
  ...FILTERS,
  from: timestamp('Inclusive start of event time'),
  to: timestamp('Exclusive end; seconds :59 without a fraction mean the next whole second'),
  order,
  limit,
  cursor,
  as_of: positionParam.optional().describe('Only events up to this position, or its sequence'),
  max_staleness,
  force_fresh: booleanParam.optional().describe('Waits until all that was in the stream is applied'),
  min_position: positionParam.optional().describe('Position that the answer must include, or its sequence'),
  dry_run: explain,
  explain,
});
export type ListEventsQuery = z.output<typeof listEventsQuery>;

export const searchBody = z.strictObject({
  query: z.unknown().optional(),
  text: z.string().min(1).max(MAX_CONDITION_TEXT_CHARS).optional(),
  from: timestamp('Inclusive start of event time'),
  to: timestamp('Exclusive end'),
  order,
  limit: z.int().min(1).max(1_000).default(100),
  cursor: z.string().min(1).max(4_096).optional(),
  max_scan: z.int().min(1).max(MAX_SCAN_PAYLOADS).default(DEFAULT_SCAN_PAYLOADS),
  as_of: min_position,
  max_staleness,
  force_fresh,
  min_position,
  dry_run: z.boolean().optional(),
  explain: z.boolean().optional(),
});
export type SearchBody = z.output<typeof searchBody>;

/** The query language, as far as a schema can say it. */
const queryDoc = z
  .looseObject({
    and: z.array(z.looseObject({})).optional().describe('All of these conditions hold'),
    or: z.array(z.looseObject({})).optional().describe('One of them does'),
    not: z.looseObject({}).optional().describe('It does not'),
    field: z
      .string()
      .optional()
      .describe('A path in the event: `amount`, `data.custom.x`, `items[].sku`, `items[0].sku`'),
    eq: z
      .union([z.string(), z.number(), z.boolean()])
      .optional()
      .describe('Some value there equals this one'),
    ne: z.union([z.string(), z.number(), z.boolean()]).optional().describe('No value there equals this one'),
    in: z
      .array(z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .describe('Some value is one of these'),
    range: z
      .record(z.enum(['gt', 'gte', 'lt', 'lte']), z.union([z.string(), z.number()]))
      .optional()
      .describe('Some value lies within; `time` compares as an instant'),
    prefix: z.string().optional().describe('Some text begins so'),
    contains: z.string().optional().describe('Some text has this in it, without case'),
    exists: z.boolean().optional().describe('There is a value other than null, or none'),
  })
  .describe(
    `A condition: one of \`and\`, \`or\`, \`not\`, or a \`field\` with one operator. At most ${MAX_CONDITIONS} conditions, ${MAX_CONDITION_DEPTH} deep.`,
  );

export const documentedSearch = searchBody.extend({
  query: queryDoc.optional(),
  text: searchBody.shape.text.describe(
    'Words that are all in some text of the event, without case, as a whole or in a part',
  ),
  max_scan: searchBody.shape.max_scan.describe(
    'Payloads to read at most; the answer says when more were left',
  ),
});

const received = positionSchema.describe('Where it lies in the stream');

export const eventView = z.object({
  event_id: z.string().nullable().describe('null where the payload is gone'),
  type: z.string().describe('In its normal form, aliases resolved'),
  time: z.string().describe('Event time'),
  position: received,
  part: z.int().describe('Its place in a message of several events, from 0'),
  order_id: z.string().nullable(),
  customer_id: z.string().nullable(),
  session_id: z.string().nullable(),
  currency: z.string().nullable(),
  dimensions: z
    .record(z.string(), z.string())
    .describe('As the log has them: its own, and what it had from its order when it came'),
  amounts: z.object(
    Object.fromEntries(AMOUNT_FIELDS.map((name) => [name, z.number().nullable()])) as Record<
      (typeof AMOUNT_FIELDS)[number],
      z.ZodNullable<z.ZodNumber>
    >,
  ),
  payload: z.looseObject({}).nullable().describe('The event as it was sent, flat'),
  payload_missing: z
    .enum(['retention', 'deleted', 'replaced'])
    .optional()
    .describe('Why there is no payload: behind the retention, removed, or another event lies at its place'),
  taken_back_by: z
    .object({ position: received, part: z.int() })
    .optional()
    .describe('Of an event that counts no more: where the correction is that says so'),
});

export const scannedSchema = z.object({
  rows: z.int().describe('Rows of the log that were looked at'),
  payloads_read: z.int(),
  payloads_missing: z
    .int()
    .describe('Candidates whose payloads are gone, so that nothing can be said of them'),
  ms: z.int(),
  complete: z
    .boolean()
    .describe(
      'false: `max_scan` or the deadline was reached before the page was full; go on with `next_cursor`',
    ),
});

export const eventsMeta = metaSchema.extend({ scanned: scannedSchema });

export const eventsAnswer = z.object({
  events: z.array(eventView),
  next_cursor: z.string().nullable(),
  meta: eventsMeta,
});

export const eventsPlan = z.object({
  dry_run: z.literal(true),
  plan: z.object({
    rows: z.int().describe('Rows that the first look at the log takes'),
    chunks: z.int(),
    bytes: z.int(),
    cost_ms: z.number(),
    explain: z.record(z.string(), z.unknown()).describe('Rows of the whole range, and what columns decide'),
    confirmed_by_payload: z.boolean().describe('Whether payloads decide, not columns alone'),
  }),
  meta: metaSchema,
});

export const SEARCH_EXAMPLE = {
  query: {
    and: [
      { field: 'type', eq: 'order.created' },
      { field: 'items[].sku', in: ['tee-red', 'tee-blue'] },
      {
        or: [
          { field: 'amount', range: { gte: 10000 } },
          { field: 'data.gift', eq: true },
        ],
      },
    ],
  },
  text: 'express',
  from: '2025-08-01T00:00:00Z',
  to: '2025-09-01T00:00:00Z',
  limit: 50,
};
