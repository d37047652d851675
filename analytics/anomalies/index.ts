export { type AnomalyRecord, readAnomaly, scanAnomalies } from '../../operators/index.ts';
export { ruleOfAlert, thresholdSchemaOf } from './alert-rule.ts';
export * from './anomaly-message.ts';
export {
  CAUSE_DIMENSIONS,
  type CauseQuery,
  type CauseShared,
  causeKind,
  MAX_CAUSE_DIMENSIONS,
} from './cause-kind.ts';
export { metricOfRule, OrderRuleBook, type RuleParts, watchedRule } from './rule-book.ts';
export { ruleProgress } from './rule-progress.ts';
export { PulseReader, RULE_COLUMNS } from './rule-reader.ts';
export * from './rule-schema.ts';
export { SCAN_MEMBERS, type ScanQuery, scanKind } from './scan-kind.ts';
