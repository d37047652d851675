/**
 * Windows of time side by side, numbered: each ends where the next one starts. What windows, joins and detectors share
 * of windows: which of them a time is in, and when it is over.
 */
export interface WindowGrid {
  indexOf(time_ms: number): number;
  startOf(index: number): number;
}

/** Windows of one size; number 0 begins at `offset_ms`. */
export const evenGrid = (size_ms: number, offset_ms = 0): WindowGrid => ({
  indexOf: (time_ms) => Math.floor((time_ms - offset_ms) / size_ms),
  startOf: (index) => index * size_ms + offset_ms,
});
