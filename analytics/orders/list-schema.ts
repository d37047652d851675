import { z } from 'zod';
import { MAX_TEXT_CHARS } from '../events/index.ts';
import { segmentFiltersSchemaOf } from '../filters/index.ts';
import { STATUS_PATTERN } from '../order-names/index.ts';
import { HEAD_MEMBERS, type TenantDefaults } from '../query-head/index.ts';
import { followUpMember } from '../returns/index.ts';
import { PAYMENT_STATUSES } from './order-life.ts';

/** Orders that a query names, and those of a page. */
export const MAX_NAMED_ORDERS = 1_000;
const DEFAULT_PAGE = 100;
const MAX_NAMES = 100;

const id = z.string().min(1).max(MAX_TEXT_CHARS);

/** The members of a query for orders one by one, where `custom` dimensions are declared. */
export function ordersMembersOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    filters: segmentFiltersSchemaOf(custom).default({}).describe('Of the orders, as they are now'),
    follow_up: followUpMember.describe('How long after its creation the events of an order count'),
    statuses: z
      .array(id.regex(STATUS_PATTERN, 'must have a letter or a digit'))
      .min(1)
      .max(MAX_NAMES)
      .optional()
      .describe('Only orders that have one of them now'),
    payment_statuses: z.array(z.enum(PAYMENT_STATUSES)).min(1).max(MAX_NAMES).optional(),
    order_ids: z.array(id).min(1).max(MAX_NAMED_ORDERS).optional().describe('Only these'),
    customer_ids: z.array(id).min(1).max(MAX_NAMES).optional().describe('Only orders of these'),
    order: z.enum(['asc', 'desc']).default('desc').describe('By the time of creation'),
    limit: z.int().min(1).max(MAX_NAMED_ORDERS).default(DEFAULT_PAGE),
    count: z
      .boolean()
      .default(true)
      .describe('false: `orders_total` is null, and a first page by statuses reads no more than it needs'),
  });
}

/** Where a page begins: behind the order of this time and name. */
const placeSchema = z.object({
  time_ms: z.number(),
  key: z.string(),
  /** How many orders fit in all, where that is known. */
  total: z.int().exactOptional(),
});
export type OrdersPlace = z.output<typeof placeSchema>;

/** What the kind takes. */
export function ordersSchemaOf(custom: readonly string[] = []) {
  return ordersMembersOf(custom).extend({ after: placeSchema.optional() });
}

/** A validated query. */
export type OrdersQuery = z.output<ReturnType<typeof ordersSchemaOf>> & {
  readonly tenant?: TenantDefaults;
};
