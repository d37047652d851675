import type { WindowGrid } from '../../operators/index.ts';
import { DAY_MS } from '../query/index.ts';

/** Windows that one is compared with. */
const COMPARED = 4;
/** Windows that must have had events, for a way to compare to be taken. */
const LEAST_COMPARED = 2;
const WEEK_MS = 7 * DAY_MS;
const HALF = 0.5;

/** Ways to compare a window, best first: the same time of earlier weeks, of earlier days, the windows before. */
export function comparedWays(grid: WindowGrid, index: number): readonly (readonly number[])[] {
  const [start_ms, end_ms] = [grid.startOf(index), grid.startOf(index + 1)];
  const middle_ms = start_ms + (end_ms - start_ms) * HALF;
  const steps = Array.from({ length: COMPARED }, (_, at) => at + 1);
  return [
    steps.map((step) => grid.indexOf(middle_ms - step * WEEK_MS)),
    steps.map((step) => grid.indexOf(middle_ms - step * DAY_MS)),
    steps.map((step) => index - step),
  ];
}

/** The first way of which enough windows had events; those windows. undefined: none has. */
export function comparedWindows(
  ways: readonly (readonly number[])[],
  hasEvents: (index: number) => boolean,
): readonly number[] | undefined {
  for (const way of ways) {
    const windows = [...new Set(way)].filter(hasEvents);
    if (windows.length >= LEAST_COMPARED) return windows;
  }
  return undefined;
}
