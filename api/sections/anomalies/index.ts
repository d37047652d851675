export { anomalySection } from './anomaly-section.ts';
export { CauseWatch } from './cause-watch.ts';
export { MARKS, ruleKind, ruleOf } from './rule-kind.ts';
export { scanJobKind } from './scan-job.ts';
export { StallWatch } from './stall-watch.ts';
