import { SeededRandom } from '../../engine/index.ts';
import type { Detector, Point, Verdict } from './detector.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** A Monday. */
export const BEGIN_MS = Date.UTC(2026, 0, 5);

/** Seeded draws of the distributions that series are made of. */
export class Draws {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  /** Above 0, below 1. */
  uniform(): number {
    return (this.#random.int(0, 2 ** 31 - 1) + 0.5) / 2 ** 31;
  }

  /** By the method of Box and Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Student's t with 3 degrees of freedom: a variance, but no more moments than two. */
  heavy(): number {
    const square = this.normal() ** 2 + this.normal() ** 2 + this.normal() ** 2;
    return this.normal() / Math.sqrt(square / 3);
  }

  poisson(mean: number): number {
    if (mean > 500) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.uniform(); product > limit; product *= this.uniform()) count++;
    return count;
  }
}

/** The relative expectation of a shop's hour: quiet nights, busy evenings, weekends one third lower. */
export function shopHour(time_ms: number): number {
  const date = new Date(time_ms);
  const day = 1 - 0.85 * Math.cos(((date.getUTCHours() - 3) / 24) * 2 * Math.PI);
  const isWeekend = date.getUTCDay() % 6 === 0;
  return day * (isWeekend ? 0.67 : 1);
}

export type ValueOf = (index: number, time_ms: number) => number | null;

/** Normal series of every kind that calibration is tested on, each with a seed of its own. */
export const NORMAL_SERIES: Readonly<Record<string, (seed: number) => ValueOf>> = {
  independent: (seed) => {
    const draws = new Draws(seed);
    return () => 100 + 10 * draws.normal();
  },
  autocorrelated: (seed) => {
    const draws = new Draws(seed);
    let level = 0;
    return () => {
      level = 0.9 * level + draws.normal();
      return 100 + 5 * level;
    };
  },
  'heavy-tailed': (seed) => {
    const draws = new Draws(seed);
    return () => 100 + 10 * draws.heavy();
  },
  'seasonal counts': (seed) => {
    const draws = new Draws(seed);
    return (_, time_ms) => draws.poisson(20 * shopHour(time_ms));
  },
  'mostly zero': (seed) => {
    const draws = new Draws(seed);
    return (_, time_ms) => draws.poisson(0.15 * shopHour(time_ms));
  },
};

export function pointsOf(count: number, at: ValueOf, step_ms = HOUR_MS, begin_ms = BEGIN_MS): Point[] {
  return Array.from({ length: count }, (_, index) => {
    const start_ms = begin_ms + index * step_ms;
    return { start_ms, value: at(index, start_ms) };
  });
}

/** The verdicts of one pass over a new series. */
export function judged(detector: Detector, points: readonly Point[], key = 'series'): Verdict[] {
  const state = detector.start(key);
  return points.map((point) => detector.update(state, point));
}
