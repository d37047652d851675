import { z } from 'zod';
import { dimensionsSchemaOf, segmentFiltersSchemaOf } from '../filters/index.ts';
import { GRANULARITY_INPUTS } from '../query/index.ts';
import { HEAD_MEMBERS, type TenantDefaults } from '../query-head/index.ts';
import { listedMember } from './refunds-schema.ts';

const MAX_GROUP_BY = 4;
const MAX_MIN = 1_000_000;
/** Original events that one answer reads from the stream. */
export const MAX_CLUSTER_EVENTS = 20_000;
const DEFAULT_MIN = 2;

/** The body of a query for fraud, where `custom` dimensions are declared. */
export function fraudSchemaOf(custom: readonly string[] = []) {
  const least = z.int().min(2).max(MAX_MIN).default(DEFAULT_MIN);
  return z.strictObject({
    ...HEAD_MEMBERS,
    granularity: z
      .enum(GRANULARITY_INPUTS)
      .optional()
      .describe('Width of the buckets; absent: one bucket for the range'),
    group_by: dimensionsSchemaOf(custom, MAX_GROUP_BY).default([]),
    filters: segmentFiltersSchemaOf(custom)
      .default({})
      .describe('Of the time series; clusters are of all events'),
    limit: listedMember.describe('Groups and clusters to list'),
    ip_clusters: z.boolean().default(true).describe('false: reads no payloads and gives no clusters'),
    max_events: z
      .int()
      .min(1)
      .max(MAX_CLUSTER_EVENTS)
      .default(MAX_CLUSTER_EVENTS)
      .describe('Original events to read for clusters at most, the newest first'),
    min_customers: least.describe('An address with so many customers is a cluster'),
    min_cards: least.describe('An address with so many payment cards is one, too'),
  });
}

/** A validated query. */
export type FraudQuery = z.output<ReturnType<typeof fraudSchemaOf>> & { readonly tenant?: TenantDefaults };
