import type { OutboxEvents } from '../edges/index.ts';
import type { Notice } from '../graph/index.ts';
import type { Inputs } from './inputs.ts';
import type { TaskMetrics } from './task-metrics.ts';

/** What an outbox tells of single messages is counted, and can be read in the diagnostics. */
export function outboxEvents(
  counts: TaskMetrics,
  inputs: Inputs,
  notices: { add(notice: Notice): void },
): OutboxEvents {
  const note = (kind: string, scope: string, detail: Notice['detail']): void =>
    notices.add({ kind, scope, sequence: inputs.first.sequence, detail });
  return {
    refused: ({ id, subject }, { code }) => {
      counts.refused.add();
      note('outbox_refused', subject, { id, code });
    },
    duplicate: ({ id, subject }) => {
      counts.duplicates.add();
      note('outbox_duplicate', subject, { id });
    },
  };
}
