import { type Dictionary, type LogSchema, type LogView, planScan } from '../../engine/index.ts';
import { scanLog } from '../query/index.ts';
import type { EventLogView } from './select-request.ts';

/** The event log of one snapshot; `dictionary` has followed it. */
export function openEvents(
  view: LogView,
  schema: LogSchema,
  dictionary: Pick<Dictionary, 'find' | 'textOf' | 'isFull'>,
): EventLogView {
  return {
    schema,
    dictionary,
    plan: (request) => planScan(view, request),
    scan: (plan, visit) => {
      scanLog(view, plan, schema, (chunk) => {
        visit(chunk);
      });
    },
  };
}
