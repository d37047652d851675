import { addExact } from '../../operators/index.ts';
import type { MetricValue } from './evaluate.ts';

/** delta = current − previous; delta_pct in percent of |previous|, null where that is 0 or unknown. */
export interface Change {
  readonly delta: MetricValue;
  readonly delta_pct: number | null;
}

export function changeOf(current: MetricValue, previous: MetricValue): Change {
  if (current === null || previous === null) return { delta: null, delta_pct: null };
  const delta =
    isExact(current) && isExact(previous) ? addExact(current, -previous) : Number(current) - Number(previous);
  const delta_pct = Number(previous) === 0 ? null : (100 * Number(delta)) / Math.abs(Number(previous));
  return { delta, delta_pct };
}

function isExact(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}
