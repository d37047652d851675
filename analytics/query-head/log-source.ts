import { type LogSchema, type LogView, planScan } from '../../engine/index.ts';
import { scanLog } from '../query/index.ts';
import type { FamilySources } from './family.ts';

/** Before every time. */
const ALL_TIME_MS = -8.64e15;

/** The log of a snapshot as a source of queries of one tenant. */
export function logSource(
  view: LogView,
  schema: Pick<LogSchema, 'columns' | 'items'>,
  scope: string,
): Pick<FamilySources, 'planScan' | 'scan' | 'cut_ms'> {
  return {
    planScan: (request) => planScan(view, request),
    scan: (plan, take) => scanLog(view, plan, schema, take),
    cut_ms: () => {
      // The plan of a range before every row begins at the tenant's cut.
      const { request } = planScan(view, { scope, start_ms: ALL_TIME_MS, end_ms: ALL_TIME_MS });
      return request.start_ms === ALL_TIME_MS ? undefined : request.start_ms;
    },
  };
}
