export { type AnomaliesConfig, anomalies, type RuleBook } from './anomalies.ts';
export {
  type AnomalyRange,
  type AnomalyRecord,
  type AnomalyState,
  anomalyId,
  MAX_ANOMALIES_OF_SCOPE,
  readAnomaly,
  scanAnomalies,
} from './anomaly-rows.ts';
export type { FitPlace, FitTicket } from './fit-place.ts';
export { CALM_WINDOWS, Fold, type Folded } from './fold.ts';
export { readRunProgress } from './run-progress.ts';
export { type Pulse, SILENCE_REACH_MS, Silence } from './silence.ts';
export { SILENCE_METRIC } from './silent-windows.ts';
export { type AnomalyEvent, type FoundAnomaly, foundAnomaly } from './told-anomalies.ts';
export * from './watched-rule.ts';
