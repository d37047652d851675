export { type AdmissionLimits, DEFAULT_ADMISSION, type PayerLimits } from './admission.ts';
export * from './executor.ts';
export * from './kind.ts';
export { DEFAULT_QUERY_LIMITS, INLINE_MAX_CELLS, INLINE_MAX_ROWS, type QueryLimits } from './limits.ts';
export * from './registry.ts';
export { PlanStale, QueryRunError, type QueryRunErrorCode } from './run-error.ts';
export { DEFAULT_SCAN_THREADS } from './scan-pool.ts';
