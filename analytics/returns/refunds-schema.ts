import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { COMPARES, DAY_MS } from '../query/index.ts';
import { HEAD_MEMBERS, type TenantDefaults } from '../query-head/index.ts';
import { BASES } from './order-scan.ts';

const MAX_DRIVERS = 5;
export const MAX_LISTED = 1_000;
const DEFAULT_LISTED = 20;

export const basisMember = z
  .enum(BASES)
  .default('event')
  .describe(
    '`event`: by the time of each event; `order`: what became of the orders of the range, up to `follow_up`',
  );

const FOLLOW_UP = /^(\d{1,4})d$/;
const MAX_FOLLOW_UP_DAYS = 3_660;

/** How long behind the range it is looked at what became of what is in it. */
export const followUpMember = z
  .string()
  .regex(FOLLOW_UP, 'days: 90d')
  .refine((text) => followUpMs(text) <= MAX_FOLLOW_UP_DAYS * DAY_MS, `at most ${MAX_FOLLOW_UP_DAYS}d`)
  .default('365d')
  .describe('How long after `end` what became of orders and requests counts; later it would change nothing');

/** ms of `90d`. */
export function followUpMs(text: string): number {
  return Number(FOLLOW_UP.exec(text)?.[1]) * DAY_MS;
}

export const listedMember = z.int().min(1).max(MAX_LISTED).default(DEFAULT_LISTED);

/** The body of a query for the impact of refunds, where `custom` dimensions are declared. */
export function refundsSchemaOf(custom: readonly string[] = []) {
  return z
    .strictObject({
      ...HEAD_MEMBERS,
      filters: segmentFiltersSchemaOf(custom).default({}),
      basis: basisMember,
      follow_up: followUpMember,
      orders: z
        .enum(['all', 'first'])
        .default('all')
        .describe('`first`: only orders that are the first of their customer; goes with the basis `order`'),
      drivers: dimensionsSchemaOf(custom, MAX_DRIVERS)
        .default(['channel', 'sku'])
        .describe('Dimensions that refunds are told apart by, one list each'),
      compare: z.enum(COMPARES).optional().describe('Gives the same of an earlier range beside it'),
      limit: listedMember.describe('Values of each driver, those with the largest refunds'),
    })
    .refine(({ basis, orders }) => orders === 'all' || basis === 'order', {
      path: ['orders'],
      error: 'first goes with basis "order"',
    });
}

/** A validated query. */
export type RefundsQuery = z.output<ReturnType<typeof refundsSchemaOf>> & {
  readonly tenant?: TenantDefaults;
};
