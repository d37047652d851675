export { retentionKind } from './cohort-kind.ts';
export {
  adhocRetentionSchemaOf,
  type CohortCriteria,
  criteriaOf,
  type RetentionQuery,
  retentionMembersOf,
} from './cohort-schema.ts';
