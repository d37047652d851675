export { SEGMENT_KIND, SEGMENT_MAX_CUSTOMERS, type SegmentShared, segmentKind } from './segment-kind.ts';
export type { SegmentRule } from './segment-rule.ts';
export {
  type SegmentQuery,
  segmentDefinitionMembersOf,
  segmentMembersOf,
} from './segment-schema.ts';
