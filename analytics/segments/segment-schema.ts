import { z } from 'zod';
import { HEAD_MEMBERS } from '../query-head/index.ts';
import { segmentRuleSchemaOf } from './segment-rule.ts';

const MAX_SEGMENT_CUSTOMERS_A_PAGE = 1_000;
/** Before every event. */
const ALL_TIME = '1970-01-01T00:00:00Z';

/** What a stored segment says. */
export function segmentDefinitionMembersOf(custom: readonly string[] = []) {
  return {
    rule: segmentRuleSchemaOf(custom),
    currency: HEAD_MEMBERS.currency.describe('Money in the rule is of this currency, others are converted'),
  };
}

/** The members of a query for the customers of a rule, where `custom` dimensions are declared. */
export function segmentMembersOf(custom: readonly string[] = []) {
  return z.strictObject({
    ...HEAD_MEMBERS,
    start: HEAD_MEMBERS.start.default(ALL_TIME).describe('Events from here on count; default: all'),
    end: HEAD_MEMBERS.end.describe('The rule is about the customers as they are at this time'),
    ...segmentDefinitionMembersOf(custom),
    limit: z.int().min(0).max(MAX_SEGMENT_CUSTOMERS_A_PAGE).default(100).describe('Customers a page'),
    offset: z.int().min(0).max(100_000_000).default(0).describe('Customers to pass over'),
  });
}

/** A validated query. */
export interface SegmentQuery extends z.output<ReturnType<typeof segmentMembersOf>> {
  /** Answers hashes, to be laid over the rows of another query. Of the service, never of a client. */
  readonly as_members?: boolean;
  /** `end` is not the client's but the time of the question. */
  readonly end_is_now?: boolean;
}
