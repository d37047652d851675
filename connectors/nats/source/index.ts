export * from './jetstream-source.ts';
export { DEFAULT_PULL_LIMITS, type PullLimits } from './pull-limits.ts';
export { NatsRecord, readRecord, readStatus } from './record.ts';
export type { SourceDiagnostics } from './source-diagnostics.ts';
export * from './threaded-source.ts';
