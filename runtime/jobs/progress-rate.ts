import type { JobProgress } from './job-record.ts';

const WINDOW_MS = 30_000;
const SAMPLE_MS = 500;

/** How fast a job gets on, by what it did in the last half minute. Times are of a monotonic clock, ms. */
export class ProgressRate {
  readonly #samples: { readonly at_ms: number; readonly done: number }[] = [];

  constructor(at_ms: number, done: number) {
    this.#samples.push({ at_ms, done });
  }

  of(
    at_ms: number,
    { done, total }: Pick<JobProgress, 'done' | 'total'>,
  ): Pick<JobProgress, 'rate_per_s' | 'time_left_s'> {
    const last = this.#samples.at(-1);
    if (last === undefined || at_ms - last.at_ms >= SAMPLE_MS) this.#samples.push({ at_ms, done });
    // The one before the window's begin stays: the window is never shorter than what is known.
    while ((this.#samples[1]?.at_ms ?? at_ms) < at_ms - WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    if (first === undefined || at_ms - first.at_ms < SAMPLE_MS)
      return { rate_per_s: null, time_left_s: null };
    const rate = (1_000 * Math.max(0, done - first.done)) / (at_ms - first.at_ms);
    const left = total === null || rate === 0 ? null : Math.max(0, total - done) / rate;
    return { rate_per_s: rounded(rate), time_left_s: left === null ? null : rounded(left) };
  }
}

const rounded = (value: number): number => Math.round(value * 10) / 10;
