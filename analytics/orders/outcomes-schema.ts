import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { HEAD_MEMBERS, type TenantDefaults } from '../query-head/index.ts';
import { followUpMember } from '../returns/index.ts';

const MAX_GROUP_BY = 4;
const DEFAULT_LISTED = 100;
const MAX_LISTED = 1_000;

/** The body of a query for what became of orders, where `custom` dimensions are declared. */
export function outcomesSchemaOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    filters: segmentFiltersSchemaOf(custom).default({}).describe('Of the orders, as they are now'),
    follow_up: followUpMember.describe('How long after its creation the events of an order count'),
    group_by: dimensionsSchemaOf(custom, MAX_GROUP_BY).default([]),
    limit: z.int().min(1).max(MAX_LISTED).default(DEFAULT_LISTED).describe('Statuses and groups to list'),
  });
}

/** A validated query. */
export type OutcomesQuery = z.output<ReturnType<typeof outcomesSchemaOf>> & {
  readonly tenant?: TenantDefaults;
};
