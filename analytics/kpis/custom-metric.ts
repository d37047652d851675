import { z } from 'zod';
import { filtersSchemaOf } from '../filters/index.ts';

/** Members of an event that are money, in minor units of its currency. */
const MONEY_FIELDS = ['amount', 'discount', 'shipping', 'tax'] as const;
/** Ids of an event whose different values can be counted. */
export const ID_FIELDS = ['customer_id', 'order_id', 'session_id'] as const;
const MAX_EVENTS = 20;

/** Names of metrics, of the tenant's own as of those that are there. */
export const METRIC_NAME = /^[a-z][a-z0-9_]{0,63}$/;
const nameSchema = z
  .string()
  .regex(METRIC_NAME, 'lower case letters, digits and _, a letter first, at most 64');

const eventSchema = z.string().min(1).max(64);
const events = z
  .union([eventSchema, z.array(eventSchema).min(1).max(MAX_EVENTS)])
  .describe('An event type, or several; compared without case and with ".", "_" and "-" equal');

const TEXTS = {
  title: z.string().max(128).optional(),
  description: z.string().max(1_024).optional(),
};

/** What can be divided: a sum, or a number of different ids. */
function partsOf(custom: readonly string[]) {
  const rows = { event: events, filters: filtersSchemaOf(custom).default({}) };
  return [
    z.strictObject({ type: z.literal('count'), ...rows }),
    z.strictObject({
      type: z.literal('sum'),
      ...rows,
      field: z
        .enum([...MONEY_FIELDS, 'quantity'])
        .describe("Money, in minor units of the event's currency; `quantity`: that of its items"),
    }),
    z.strictObject({
      type: z.literal('distinct'),
      ...rows,
      field: z.enum(ID_FIELDS).describe('Ids of which the different ones are counted'),
    }),
  ] as const;
}

/** The body of a custom metric, where `custom` dimensions are declared. */
export function customMetricSchemaOf(custom: readonly string[] = []) {
  const [count, sum, distinct] = partsOf(custom);
  const part = z.union([
    nameSchema.describe('The name of a metric: a sum, a count or a number of different ones'),
    z.discriminatedUnion('type', [count, sum, distinct]),
  ]);
  const avg = z.strictObject({
    type: z.literal('avg'),
    event: events,
    field: z.enum(MONEY_FIELDS).describe('Mean over the events that have it'),
    filters: filtersSchemaOf(custom).default({}),
  });
  const ratio = z.strictObject({ type: z.literal('ratio'), numerator: part, denominator: part });
  return z.discriminatedUnion('type', [
    count.extend(TEXTS),
    sum.extend(TEXTS),
    avg.extend(TEXTS),
    distinct.extend(TEXTS),
    ratio.extend(TEXTS),
  ]);
}

export type CustomMetricBody = z.output<ReturnType<typeof customMetricSchemaOf>>;
/** A metric that a tenant defined, with its name. Plain data. */
export type CustomMetric = CustomMetricBody & { readonly name: string };
/** A part of a ratio: a name of a metric, or what to count. */
export type RatioPart = Extract<CustomMetricBody, { type: 'ratio' }>['numerator'];
/** Which events count. */
export type EventSelection = Pick<Extract<CustomMetricBody, { type: 'count' }>, 'event' | 'filters'>;

/** What was spent on campaigns, by a name that no metric of a tenant can have. */
export const CAMPAIGN_SPEND: CustomMetric = {
  ...{ name: 'campaign.spend', type: 'sum', event: 'campaign.spend', field: 'amount', filters: {} },
};

/** The names of metrics that a metric is made of. */
export function referencesOf(body: CustomMetricBody): readonly string[] {
  if (body.type !== 'ratio') return [];
  return [body.numerator, body.denominator].filter((part) => typeof part === 'string');
}
