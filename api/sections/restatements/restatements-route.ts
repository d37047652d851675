import { z } from 'zod';
import {
  AMOUNT_FIELDS,
  type FamilyAnswer,
  findMetric,
  isMonetary,
  type Restatement,
  type RestatementsQuery,
  restatementsSchema,
} from '../../../analytics/index.ts';
import {
  type AnswerParts,
  analyticsOf,
  familyView,
  HEAD_PROBLEMS,
  maskFor,
  metaSchema,
  runQuery,
  wishOf,
} from '../../answers/index.ts';
import {
  ApiError,
  booleanParam,
  type Cursors,
  EVENTS_STREAM,
  errorsOf,
  PARTITION,
  positionSchema,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { positionParam } from '../kpis/index.ts';
import { causeEvents } from './cause-events.ts';

const values = z.record(z.string(), z.number());

const answerSchema = z.object({
  query_id: z.string().describe('Names the answer for `as_of`, and for `since` of the next one'),
  since: positionSchema,
  position: positionSchema.describe('What is after: the position of this answer'),
  complete_until: z
    .string()
    .nullable()
    .describe('Buckets that end by then were published at `since`; null: none was'),
  restatements_total: z.int().describe('Published buckets that changed, by currency'),
  open_total: z.int().describe('Buckets that changed, of which it is not known that they were complete'),
  restatements: z.array(
    z.object({
      time: z.string().describe('Start of the bucket'),
      partial: z.literal(true).optional().describe('The range cuts off a part of it'),
      currency: z.string().nullable().describe('Where a metric of money is asked for'),
      before: values.describe('By metric, as it was known at `since`'),
      after: values,
      delta: values.describe('after − before'),
      causes_total: z.int().describe('Events that changed the bucket'),
      causes: z
        .array(
          z.object({
            position: positionSchema.describe('Of the message that brought the event'),
            part: z.int().describe('Its place in the message'),
            event_id: z.string().nullable().describe('null: it is not in the stream any more'),
            type: z.string().nullable(),
            time: z.string().nullable().describe('When the event says it happened'),
            order_id: z.string().nullable(),
            delta: values.describe(
              'What it changed; over all causes they add up to that of the bucket. Without metrics of money ' +
                'where amounts are masked',
            ),
          }),
        )
        .describe('In the order of the stream, the first ones'),
    }),
  ),
  next_cursor: z.string().nullable(),
  calculated_at: z.string(),
  explain: z.looseObject({}).optional().describe('The plan, where `explain` asks for it'),
  meta: metaSchema,
});

const whole = (max: number) => z.coerce.number().pipe(z.int().min(0).max(max));
const { start, end, timezone, granularity, complete_until, max_staleness } = restatementsSchema.shape;

const sinceParam = z
  .string()
  .min(1)
  .max(1_024)
  .transform((text, context): RestatementsQuery['since'] => {
    if (text.startsWith('q_')) return { query_id: text };
    const parsed = positionParam.safeParse(text);
    if (parsed.success) return parsed.data;
    context.addIssue('must be the query_id of an answer, a sequence, or a position {"EVENTS":{"0":18234}}');
    return z.NEVER;
  });

const querySchema = z.strictObject({
  since: sinceParam.describe('Where the earlier answer was made: its `query_id`, its position or sequence'),
  metrics: z
    .string()
    .max(1_024)
    .default('orders_count,revenue_gross,revenue_net')
    .describe('Metrics that are sums, joined by commas, at most 20'),
  ...{ start, end, granularity, timezone, complete_until },
  as_of: sinceParam.optional().describe('Looks at what was known there instead of now'),
  causes: whole(100).default(20).describe('Events listed of a bucket; limit × causes is at most 2,000'),
  limit: whole(100).default(50).describe('Buckets of a page'),
  cursor: z.string().min(1).max(4_096).optional().describe('`next_cursor` of the page before'),
  max_staleness,
  force_fresh: booleanParam.optional().describe('Waits until all that was in the stream is applied'),
  min_position: positionParam.optional().describe('Position that the answer must include, or its sequence'),
  explain: booleanParam.optional().describe('Answers the plan beside the numbers'),
});

const EXAMPLE = {
  since: '1',
  metrics: 'orders_count,revenue_net',
  start: '2025-08-01T00:00:00Z',
  end: '2025-08-31T23:59:59Z',
  complete_until: '2025-09-01T00:00:00Z',
};

/** Where a page begins, and the state that all pages are of. */
interface Place {
  readonly as_of: NonNullable<RestatementsQuery['as_of']>;
  readonly offset: number;
}

/** What changed of buckets that were published, because of which events. */
export function restatementsRoute(parts: AnswerParts, cursors: Cursors): Route {
  const { queries } = analyticsOf(parts.ports.settings);
  return route({
    id: 'listRestatements',
    method: 'GET',
    path: '/restatements',
    tag: 'KPIs',
    summary: 'Published buckets that changed, from what to what, because of which events',
    description:
      'What late events, edits of orders, refunds and corrections changed since an earlier answer, of buckets ' +
      'that were complete in it: the values before and after, and what each event changed. before + Σ delta of ' +
      'the events = after, exactly. Give `complete_until` of the earlier answer’s `meta`; without it a bucket ' +
      'counts as published where event times alone prove that it was complete. Pages are of one state.',
    permission: 'kpis:read',
    audited: 'read',
    query: querySchema,
    query_example: EXAMPLE,
    answers: { 200: { description: 'Buckets in order of time', schema: answerSchema } },
    problems: [
      ...HEAD_PROBLEMS,
      ...(['validation_failed', 'too_many_points', 'too_many_changes', 'position_unknown'] as const),
      ...(['invalid_cursor', 'cursor_mismatch', 'too_busy', 'stream_unavailable'] as const),
    ],
    handle: async (call) => {
      const { cursor, metrics, ...asked } = call.query;
      const { limit: _, explain: __, force_fresh: ___, min_position: ____, ...filter } = asked;
      const bound = { ...filter, metrics, tenant: call.tenant };
      const place = cursor === undefined ? {} : (cursors.decode(bound, cursor) as Place);
      const query = checked({ ...asked, metrics: [...new Set(metrics.split(','))], ...place });
      const { answer, state } = await runQuery(parts, call, queries.restatements, query, {
        wish: wishOf(query),
      });
      const { restatements, page } = await named(parts, call, answer);
      const offset = query.offset + restatements.length;
      const next: Place = { as_of: query.as_of ?? { query_id: answer.query_id }, offset };
      const isLast = restatements.length === 0 || offset >= page.restatements_total;
      const body = {
        ...page,
        restatements,
        next_cursor: isLast ? null : cursors.encode(bound, next),
      };
      return { status: 200, json: familyView(parts, state, call.tenant, { ...answer, body }) };
    },
  });
}

function checked(asked: unknown): RestatementsQuery {
  const parsed = restatementsSchema.safeParse(asked);
  if (parsed.success) return parsed.data;
  throw new ApiError('validation_failed', 'The parameters do not say what is to be looked for.', {
    errors: errorsOf(parsed.error),
  });
}

function isMoney(name: string): boolean {
  const metric = findMetric(name);
  return metric !== undefined && isMonetary(metric);
}

/** The causes with what their events say, as the caller may see it. */
async function named(parts: AnswerParts, call: RawCall, { body }: FamilyAnswer) {
  const page = body as unknown as {
    readonly restatements_total: number;
    readonly restatements: readonly Restatement[];
  };
  const mask = maskFor(call.principal, parts.tenants?.maskedOf(call.tenant));
  const places = page.restatements.flatMap(({ causes }) => causes);
  const events = await causeEvents(parts.ports.finder?.(), places, mask, call.request.signal);
  // What one event changed of money is its amount.
  const hidesMoney = AMOUNT_FIELDS.some((field) => mask.hides(field));
  const seen = (delta: Restatement['delta']) =>
    hidesMoney ? Object.fromEntries(Object.entries(delta).filter(([name]) => !isMoney(name))) : delta;
  let at = 0;
  const restatements = page.restatements.map(({ causes, ...bucket }) => ({
    ...bucket,
    causes: causes.map(({ sequence, part, delta }) => ({
      position: { [EVENTS_STREAM]: { [PARTITION]: sequence } },
      part,
      ...events[at++],
      delta: seen(delta),
    })),
  }));
  return { page, restatements };
}
