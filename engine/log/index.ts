export * from './describe-log.ts';
export { differentScopes, logDigest, logDigestRows, type ScopeDigest } from './log-digest.ts';
export { type LogScopeDays, logScopes } from './log-scopes.ts';
export { DEFAULT_LOG_LIMITS, type LogCommit, type LogLimits, LogWriter } from './log-writer.ts';
export * from './scan.ts';
export * from './scan-types.ts';
export type { LogTables } from './segment-merge.ts';
export {
  type LogUpkeep,
  type LogUpkeepMode,
  logUpkeepPlan,
  type ScopeUpkeep,
  type UpkeepLimits,
} from './upkeep.ts';
export { type VerifiedLog, verifyLog } from './verify-log.ts';
