/** How many deviations in the quantile and the counts are remembered. */
const MEMORY_POINTS = 4_000;
/** Exceedances that the mean excess remembers. */
const MEMORY_EXCESSES = 100;
/** Weight of the extrapolated tail against the counted scores, points. */
const PRIOR_POINTS = 300;
/** So many standard errors are taken from a count before it is believed: a few anomalies make no heavy tail. */
const DOUBT = 2;
/** The quantile's step is that of a series which is so much older: no jumps at the beginning. */
const STEP_POINTS = 30;
/** Deviations that set the scale where no beginning is known. */
const SCALE_POINTS = 20;
const BIN = 0.25;
const BINS = 20;
export const MAX_SCORE = 12;

/** Floats that one needs. */
export const TAIL_FLOATS = 4 + BINS;

const COUNT = 0;
const LEVEL = 1;
const EXCESS = 2;
const EXCEEDED = 3;

/** What is believed of a kind of deviation. */
export interface TailBeliefs {
  /** The tail is what lies beyond this quantile. */
  readonly quantile: number;
  /** The quantile is never taken as less, however calm the series has been. */
  readonly leastLevel: number;
  /** The quantile and the mean excess over it before anything is known; 0 where the first 20 deviations say it. */
  readonly level: number;
  readonly excess: number;
  /** Exceedances that the believed mean excess counts as. */
  readonly exceedances: number;
  /** The tail is taken as wider by this, divided by the exceedances known: what few of them say is uncertain. */
  readonly widening: number;
  /** Whether windows that cannot be flagged teach the mean excess too: not where a new level takes long to be known. */
  readonly restTeaches: boolean;
  /** One excess counts at most as so many mean ones: a monstrous value must not blind the detector. */
  readonly maxExcess: number;
}

/**
 * Turns deviations (≥ 0, larger is stranger) into scores −log10 p, learning their distribution online.
 *
 * - The running q-quantile t follows Robbins and Monro (1951): t += e / (1 − q) / min(n, 4000) · (1[y > t] − (1 − q)),
 *   with the mean excess e over it, whose inverse is the density at the beginning of an exponential tail.
 * - Above t: p = (1 − q) · exp(−(y − t) / e), the exponential tail of peaks over a threshold (Pickands 1975).
 *   Below: −log10 p grows with (y / t)², which is never more than for a normal or an exponential deviation.
 * - A guard: p is at least (c + m · p) / (n + m), with c of n windows that scored as high, less two standard errors.
 *   Where the tail is heavier than exponential, counting takes over from extrapolation.
 */
export class TailScore {
  readonly #cells: Float32Array;
  readonly #bins: Float32Array;
  readonly #beliefs: TailBeliefs;
  readonly #tailScore: number;

  constructor(floats: Float32Array, at: number, beliefs: TailBeliefs) {
    this.#cells = floats.subarray(at, at + TAIL_FLOATS - BINS);
    this.#bins = floats.subarray(at + TAIL_FLOATS - BINS, at + TAIL_FLOATS);
    this.#beliefs = beliefs;
    this.#tailScore = -Math.log10(1 - beliefs.quantile);
  }

  begin(): void {
    this.#cells[LEVEL] = this.#beliefs.level;
    this.#cells[EXCESS] = this.#beliefs.excess;
  }

  /** Less than the scale of the deviations is known: every score is 0. */
  get isBlank(): boolean {
    return this.#beliefs.excess === 0 && (this.#count < SCALE_POINTS || this.#excess === 0);
  }

  score(deviation: number): number {
    if (this.isBlank) return 0;
    const raw = this.#extrapolated(deviation);
    const bins = this.#bins;
    const from = binOf(raw);
    let counted = 0;
    let all = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const weight = bins[bin] as number;
      all += weight;
      if (bin >= from) counted += weight;
    }
    const believed = believedOf(counted);
    if (believed === 0) return raw;
    return Math.min(raw, -Math.log10((believed + PRIOR_POINTS * 10 ** -raw) / (all + PRIOR_POINTS)));
  }

  /** The least deviation that scores at least `threshold`; Infinity where none does. */
  limit(threshold: number): number {
    if (this.isBlank) return Infinity;
    const bins = this.#bins;
    let all = 0;
    for (let bin = 0; bin < BINS; bin++) all += bins[bin] as number;
    const p = 10 ** -threshold;
    let counted = 0;
    let least = Infinity;
    for (let bin = BINS - 1; bin >= 0; bin--) {
      counted += bins[bin] as number;
      const extrapolated = (p * (all + PRIOR_POINTS) - believedOf(counted)) / PRIOR_POINTS;
      if (extrapolated <= 0) break;
      const top = bin === BINS - 1 ? MAX_SCORE : (bin + 1) * BIN;
      const raw = Math.max(threshold, bin * BIN, believedOf(counted) === 0 ? 0 : -Math.log10(extrapolated));
      if (raw <= top) least = raw;
      if (bin * BIN < threshold) break;
    }
    return this.#deviationOf(least);
  }

  /**
   * `isCounted`: the window could have been flagged. What is not, is not counted by the guard: it keeps the share of
   * windows that are flagged.
   */
  learn(deviation: number, isCounted: boolean): void {
    const cells = this.#cells;
    const count = this.#count + 1;
    cells[COUNT] = count;
    if (this.#beliefs.excess === 0 && (count <= SCALE_POINTS || this.#excess === 0)) {
      this.#scaleBy(deviation, count);
      return;
    }
    if (isCounted) this.#tally(binOf(this.#extrapolated(deviation)));
    const { quantile, leastLevel, maxExcess } = this.#beliefs;
    const level = cells[LEVEL] as number;
    const excess = this.#excess;
    const isAbove = deviation > level;
    const step = excess / (1 - quantile) / Math.min(count + STEP_POINTS, MEMORY_POINTS);
    cells[LEVEL] = Math.max(leastLevel, excess * 1e-3, level + step * ((isAbove ? 1 : 0) - (1 - quantile)));
    if (!isAbove || !(isCounted || this.#beliefs.restTeaches)) return;
    const known = this.#known;
    cells[EXCEEDED] = (cells[EXCEEDED] as number) + 1;
    const over = Math.min(deviation - level, maxExcess * excess);
    cells[EXCESS] = excess + (over - excess) / Math.min(known + 1, MEMORY_EXCESSES);
  }

  /** The first deviations: their maximum, and half its distance from their mean. */
  #scaleBy(deviation: number, count: number): void {
    const cells = this.#cells;
    const largest = Math.max(cells[LEVEL] as number, deviation);
    // Until the scale is known, the sum is where the exceedances will be counted.
    const sum = (cells[EXCEEDED] as number) + deviation;
    cells[LEVEL] = largest;
    cells[EXCEEDED] = sum;
    if (count < SCALE_POINTS || largest === 0) return;
    // One deviation after many of 0 says little of the scale.
    const isFirst = count > SCALE_POINTS;
    cells[LEVEL] = isFirst ? 2 * largest : largest;
    cells[EXCESS] = isFirst ? largest : Math.max((largest - sum / count) / 2, largest * 1e-6);
    cells[EXCEEDED] = 0;
  }

  #tally(bin: number): void {
    const bins = this.#bins;
    bins[bin] = (bins[bin] as number) + 1;
    let all = 0;
    for (let index = 0; index < BINS; index++) all += bins[index] as number;
    if (all < MEMORY_POINTS) return;
    for (let index = 0; index < BINS; index++) bins[index] = (bins[index] as number) / 2;
  }

  #extrapolated(deviation: number): number {
    const level = this.#cells[LEVEL] as number;
    if (deviation <= level) return this.#tailScore * (deviation / level) ** 2;
    return Math.min(MAX_SCORE, this.#tailScore + (deviation - level) / (this.#scale * Math.LN10));
  }

  #deviationOf(raw: number): number {
    const level = this.#cells[LEVEL] as number;
    if (raw <= this.#tailScore) return level * Math.sqrt(raw / this.#tailScore);
    return level + (raw - this.#tailScore) * this.#scale * Math.LN10;
  }

  /** The mean excess, wider as long as few exceedances are known. */
  get #scale(): number {
    return this.#excess * (1 + this.#beliefs.widening / Math.min(this.#known, MEMORY_EXCESSES));
  }

  get #count(): number {
    return this.#cells[COUNT] as number;
  }

  get #excess(): number {
    return this.#cells[EXCESS] as number;
  }

  get #known(): number {
    return (this.#cells[EXCEEDED] as number) + this.#beliefs.exceedances;
  }
}

function binOf(score: number): number {
  return Math.min(BINS - 1, Math.floor(score / BIN));
}

function believedOf(counted: number): number {
  return Math.max(0, counted - DOUBT * Math.sqrt(counted));
}
