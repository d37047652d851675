import type { PlanHead, QueryContext } from '../../engine/index.ts';
import { displacedEvents } from './displaced-kind.ts';
import type { EventSelector } from './find-events.ts';
import { selectEvents } from './select-kind.ts';
import type { EventLogView, Selection, SelectRequest } from './select-request.ts';

const NEVER = { isCancelled: () => false, check: () => {} };

/**
 * Runs selections at once in the caller's thread, one part after the other: for programs without scan threads.
 * `open` gives the log as it is now.
 */
export function inlineSelector(open: () => EventLogView): EventSelector {
  const kind = selectEvents(open);
  const displaced = displacedEvents(open);
  return {
    plan: async (tenant: string, request: SelectRequest): Promise<PlanHead> =>
      kind.plan(contextOf(tenant), request),
    select: async (tenant, request, signal): Promise<Selection> => {
      signal.throwIfAborted();
      const context = contextOf(tenant);
      const plan = kind.plan(context, request);
      let merged: Uint8Array | undefined;
      for (const { work } of plan.parts) {
        const bytes = kind.partial(context, plan, work, NEVER);
        merged = merged === undefined ? bytes : kind.merge(merged, bytes);
      }
      return kind.finish(context, plan, merged);
    },
    displaced: async (tenant, request, signal) => {
      signal.throwIfAborted();
      const context = contextOf(tenant);
      const plan = displaced.plan(context, request);
      const parts = plan.parts.map(({ work }) => displaced.partial(context, plan, work, NEVER));
      return displaced.finish(context, plan, Buffer.concat(parts));
    },
  };
}

function contextOf(scope: string): QueryContext {
  const table = (): never => {
    throw new Error('the log is opened without tables');
  };
  return { table, scope, progress: undefined, now_ms: 0 };
}
