import { z } from 'zod';
import type { TenantDefaults } from './prepare-head.ts';

const timestamp = (what: string) => z.string().max(64).describe(`${what}, RFC 3339 with offset`);
const positions = z.record(z.string().max(128), z.record(z.string().max(128), z.int().min(0)));

const asOf = z.union(
  [
    z.strictObject({ query_id: z.string().min(1).max(512).describe('Of an earlier answer') }),
    positions.describe('{stream: {partition: sequence}}'),
  ],
  { error: 'must be a position such as {"EVENTS":{"0":18234}}, or {"query_id": …} of an earlier answer' },
);
export type AsOf = z.output<typeof asOf>;

/** What every query over a range of time may say, whatever it asks for. */
export const HEAD_MEMBERS = {
  start: timestamp('Inclusive start'),
  end: timestamp('Exclusive end; seconds :59 without a fraction mean the next whole second'),
  timezone: z.string().min(1).max(64).optional().describe("IANA name; default: the tenant's, else UTC"),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code of three capitals, such as EUR')
    .optional()
    .describe(
      "Converts money to this currency with the tenant's fx.rate events, at the rate of each UTC day",
    ),
  as_of: asOf.optional().describe('Answers as it was at that position: by the rows up to it'),
  max_staleness: z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h)$/, 'A number and a unit: 500ms, 5s, 2m')
    .optional()
    .describe('The answer is at most that old, or 503'),
  force_fresh: z.boolean().optional().describe('Waits until all that was in the stream is applied'),
  min_position: positions.optional().describe('{stream: {partition: sequence}} that the answer must include'),
  explain: z.boolean().optional().describe('Answers the plan beside the numbers'),
  dry_run: z.boolean().optional().describe('Validates and returns the plan without running it'),
};

const headSchema = z.object(HEAD_MEMBERS);
/** Those members of a checked query. */
export type QueryHead = z.output<typeof headSchema> & { readonly tenant?: TenantDefaults };
