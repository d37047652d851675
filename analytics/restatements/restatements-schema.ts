import { z } from 'zod';
import { METRICS } from '../kpis/index.ts';
import { HEAD_MEMBERS, type TenantDefaults } from '../query-head/index.ts';

/** Metrics that are sums: what events changed of them adds up to what they changed. */
export const ADDITIVE_METRICS = METRICS.filter(({ formula }) => formula.kind === 'sum');
const NAMES = ADDITIVE_METRICS.map(({ name }) => name) as [string, ...string[]];
const MAX_RESTATED_METRICS = 20;
/** Buckets of a page. */
const MAX_RESTATEMENTS_A_PAGE = 100;
const DEFAULT_RESTATEMENTS_A_PAGE = 50;
/** Events that are listed of one bucket. */
const MAX_CAUSES_A_BUCKET = 100;
const DEFAULT_CAUSES_A_BUCKET = 20;
/** Events of one page, each of which is read from the stream. */
const MAX_CAUSES_A_PAGE = 2_000;

const { currency: _, as_of, ...HEAD } = HEAD_MEMBERS;

/** A query for what changed of buckets that were complete. */
export const restatementsSchema = z
  .strictObject({
    ...HEAD,
    as_of: as_of.describe('Looks at what was known there instead of now'),
    since: as_of.unwrap().describe('Where the earlier answer was made: its position or query_id'),
    metrics: z
      .array(z.enum(NAMES, { error: `must be a metric that is a sum: ${NAMES.join(', ')}` }))
      .min(1)
      .max(MAX_RESTATED_METRICS),
    granularity: z.enum(['1h', '1d']).default('1d'),
    complete_until: z.iso
      .datetime({ offset: true })
      .optional()
      .describe('`meta.complete_until` of the earlier answer: buckets that end by then were published'),
    causes: z.int().min(0).max(MAX_CAUSES_A_BUCKET).default(DEFAULT_CAUSES_A_BUCKET),
    limit: z.int().min(1).max(MAX_RESTATEMENTS_A_PAGE).default(DEFAULT_RESTATEMENTS_A_PAGE),
    offset: z.int().min(0).default(0),
  })
  .refine(({ limit, causes }) => limit * causes <= MAX_CAUSES_A_PAGE, {
    path: ['causes'],
    error: `limit × causes is at most ${MAX_CAUSES_A_PAGE}`,
  });

/** A validated query. */
export type RestatementsQuery = z.output<typeof restatementsSchema> & { readonly tenant?: TenantDefaults };
