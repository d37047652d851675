import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { HEAD_MEMBERS, type TenantDefaults } from '../query-head/index.ts';
import { basisMember, followUpMember, listedMember } from './refunds-schema.ts';

const MAX_GROUP_BY = 4;
const DEFAULT_MIN_ORDERS = 10;

/** The body of a summary of returns, where `custom` dimensions are declared. */
export function returnsSchemaOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    filters: segmentFiltersSchemaOf(custom).default({}),
    basis: basisMember,
    follow_up: followUpMember,
    event: z
      .enum(['return.received', 'return.requested'])
      .default('return.received')
      .describe('The event that counts as a return'),
    by: z
      .enum(['units', 'orders'])
      .default('units')
      .describe('What ranks SKUs: returned ÷ sold units, or returns ÷ orders'),
    min_orders: z
      .int()
      .min(0)
      .max(1_000_000_000)
      .default(DEFAULT_MIN_ORDERS)
      .describe('SKUs with fewer orders are left out of the ranking: a rate of few says little'),
    group_by: dimensionsSchemaOf(custom, MAX_GROUP_BY).default([]),
    limit: listedMember.describe('SKUs, reasons and groups to list'),
  });
}

/** A validated query. */
export type ReturnsQuery = z.output<ReturnType<typeof returnsSchemaOf>> & {
  readonly tenant?: TenantDefaults;
};
