import { z } from 'zod';
import { type SegmentRule, segmentDefinitionMembersOf } from '../../analytics/index.ts';
import type { DefinitionKind } from '../../runtime/index.ts';

/** What a stored segment says: who is in it is found out anew for each query. */
export interface SegmentBody {
  readonly rule: SegmentRule;
  /** Of the money in the rule. */
  readonly currency?: string | undefined;
}

/** Stored segments. */
export function segmentDefinitionKind(custom: readonly string[]): DefinitionKind<SegmentBody> {
  return { kind: 'segment', schema: z.strictObject(segmentDefinitionMembersOf(custom)) };
}
