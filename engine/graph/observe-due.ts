import type { Metrics } from '../base/index.ts';

const MS_PER_SECOND = 1_000;

/** Shows at which event time an operator does something next. */
export function observeDue(metrics: Metrics, operator: string, read_ms: () => number | undefined): void {
  const help = 'Watermark at which a timer or a window of the operator is due next, since 1970';
  const read_s = (): number | undefined => {
    const due_ms = read_ms();
    return due_ms === undefined || !Number.isFinite(due_ms) ? undefined : due_ms / MS_PER_SECOND;
  };
  metrics.gauge('millrace.operator.due.timestamp', help, read_s, { operator });
}
