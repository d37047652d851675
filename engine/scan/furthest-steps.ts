import type { EntityEvents } from './entity-events.ts';

/**
 * How many entities reach each step of an ordered sequence within a window of its first step, counted at the
 * furthest: index k has those whose furthest is step k + 1. Labels are steps from 1. One event fills one step; a
 * newer first step begins anew where that can come further. For each step the latest begin that led there is kept
 * (as ClickHouse's windowFunnel does), so an event costs a few comparisons.
 */
export function furthestSteps(events: EntityEvents, steps: number, window_ms: number): Float64Array {
  const furthest = new Float64Array(steps);
  const begun_ms = new Float64Array(steps + 1);
  events.visit((time_ms, label, from, to) => {
    begun_ms.fill(Number.NaN);
    let best = 0;
    for (let event = from; event < to; event++) {
      const step = label[event] as number;
      const at_ms = time_ms[event] as number;
      if (step === 1) {
        begun_ms[1] = at_ms;
        if (best === 0) best = 1;
        continue;
      }
      const first_ms = begun_ms[step - 1] as number;
      // NaN fails the comparison.
      if (!(at_ms - first_ms <= window_ms)) continue;
      begun_ms[step] = first_ms;
      if (step > best) best = step;
    }
    if (best > 0) furthest[best - 1] = (furthest[best - 1] as number) + 1;
  });
  return furthest;
}
