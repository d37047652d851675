export { DEFAULT_RUN_LIMITS, type RunLimits } from './limits.ts';
export { PagedArea, PagePool } from './paged-area.ts';
export { REMOVED, RecordArena } from './record-arena.ts';
export type { VisitRecord } from './run-set.ts';
export { RunTable } from './run-table.ts';
export { RunView, runRows } from './run-view.ts';
