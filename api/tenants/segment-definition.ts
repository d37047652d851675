import { z } from 'zod';
import { type SegmentRule, segmentDefinitionMembersOf } from '../../analytics/index.ts';
import type { DefinitionKind } from '../../runtime/index.ts';
import { type ApiPorts, byDimensions } from '../http/index.ts';

/** What a stored segment says: who is in it is found out anew for each query. */
export interface SegmentBody {
  readonly rule: SegmentRule;
  /** Of the money in the rule. */
  readonly currency?: string | undefined;
}

/** Stored segments. */
export function segmentDefinitionKind(ports: Pick<ApiPorts, 'settings'>): DefinitionKind<SegmentBody> {
  const schema = byDimensions(ports, (custom) => z.strictObject(segmentDefinitionMembersOf(custom)));
  return {
    kind: 'segment',
    get schema() {
      return schema();
    },
  };
}
