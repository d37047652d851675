import {
  type Chunk,
  type LogSchema,
  type LogView,
  MillraceError,
  PlanStale,
  type ScanPlan,
  scanChunks,
} from '../../engine/index.ts';

/** Runs a plan on the log of a snapshot. Throws `PlanStale` where a segment was merged or dropped since it was made. */
export function scanLog(
  view: LogView,
  plan: ScanPlan,
  schema: Pick<LogSchema, 'columns' | 'items'>,
  visit: (chunk: Chunk) => void,
): void {
  try {
    scanChunks(view, plan, schema, visit);
  } catch (error) {
    const isGone = error instanceof MillraceError && error.code === 'log_segment_gone';
    throw isGone ? new PlanStale('A segment of the log') : error;
  }
}
