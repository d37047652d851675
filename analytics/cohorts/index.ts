export { retentionKind } from './cohort-kind.ts';
export { type CohortRules, cohortRules, periodOf, periodState } from './cohort-rules.ts';
export {
  adhocRetentionSchemaOf,
  COHORT_BUCKETS,
  type CohortCriteria,
  criteriaOf,
  type RetentionQuery,
  retentionMembersOf,
} from './cohort-schema.ts';
