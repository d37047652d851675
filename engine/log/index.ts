export * from './dictionary.ts';
export { logDigest, logDigestRows, type ScopeDigest } from './log-digest.ts';
export { DEFAULT_LOG_LIMITS, type LogCommit, type LogLimits, LogWriter } from './log-writer.ts';
export * from './row-batch.ts';
export * from './scan.ts';
export * from './scan-types.ts';
export type { LogTables } from './segment-merge.ts';
export { type VerifiedLog, verifyLog } from './verify-log.ts';
