import { cutOf, type LogSchema, type LogView, planScan } from '../../engine/index.ts';
import { scanLog } from '../query/index.ts';
import type { FamilySources } from './family.ts';

/** The log of a snapshot as a source of queries of one tenant. */
export function logSource(
  view: LogView,
  schema: Pick<LogSchema, 'columns' | 'items'>,
  scope: string,
): Pick<FamilySources, 'planScan' | 'scan' | 'cut_ms'> {
  return {
    planScan: (request) => planScan(view, request),
    scan: (plan, take) => scanLog(view, plan, schema, take),
    cut_ms: () => cutOf(view, scope),
  };
}
