/** Level of the running quantile that the tail begins at. */
const TAIL = 0.97;
const TAIL_SCORE = -Math.log10(1 - TAIL);
/** Points after which the quantile and the counts forget: about four thousand. */
const MEMORY_POINTS = 4_000;
/** Exceedances that the mean excess remembers. */
const MEMORY_EXCESSES = 100;
/** Exceedances that the mean excess of the beginning counts as. */
const PRIOR_EXCESSES = 10;
/** The tail is taken as wider by this, divided by the exceedances known: what few of them say is uncertain. */
const WIDENING = 8;
/** An excess counts at most as so many mean ones: one monstrous value must not blind the detector. */
const MAX_EXCESS = 10;
/** Weight of the extrapolated tail against the counted scores, points. */
const PRIOR_POINTS = 100;
const BIN = 0.25;
const BINS = 24;
export const MAX_SCORE = 12;

/** Cells and floats that one needs. */
export const TAIL_CELLS = 4;
export const TAIL_FLOATS = BINS;

const COUNT = 0;
const LEVEL = 1;
const EXCESS = 2;
const EXCEEDED = 3;

/**
 * Turns deviations of any unit (≥ 0, larger is stranger) into scores −log10 p, learning their distribution online.
 *
 * - The running 0.97-quantile t follows Robbins and Monro (1951): t += e / (1 − q) / min(n, 4000) · (1[y > t] − (1 − q)),
 *   with the mean excess e over it, whose inverse is the density just above an exponential tail's beginning.
 * - Above t: p = (1 − q) · exp(−(y − t) / e), the exponential tail of peaks over a threshold (Pickands 1975).
 *   Below: −log10 p grows with (y / t)², which is never more than for a normal or an exponential deviation.
 * - A guard: p is at least (points so far that scored as high + m · p) / (n + m). Where the tail is heavier than
 *   exponential, or the deviations are dependent, counting takes over from extrapolation.
 */
export class TailScore {
  readonly #cells: Float64Array;
  readonly #at: number;
  readonly #bins: Float32Array;
  readonly #leastLevel: number;

  /** `leastLevel`: the quantile is never taken as less, however calm the series has been. */
  constructor(cells: Float64Array, at: number, floats: Float32Array, floatsAt: number, leastLevel: number) {
    this.#cells = cells;
    this.#at = at;
    this.#leastLevel = leastLevel;
    this.#bins = floats.subarray(floatsAt, floatsAt + BINS);
  }

  /** Sets what is believed before the first deviation: the quantile and the mean excess over it. */
  begin(level: number, excess: number): void {
    this.#cells[this.#at + LEVEL] = level;
    this.#cells[this.#at + EXCESS] = excess;
  }

  score(deviation: number): number {
    const raw = this.#extrapolated(deviation);
    let counted = 0;
    let all = 0;
    const bins = this.#bins;
    const from = binOf(raw);
    for (let bin = 0; bin < BINS; bin++) {
      const weight = bins[bin] as number;
      all += weight;
      if (bin >= from) counted += weight;
    }
    if (counted === 0) return raw;
    return Math.min(raw, -Math.log10((counted + PRIOR_POINTS * 10 ** -raw) / (all + PRIOR_POINTS)));
  }

  /** The least deviation that scores at least `threshold`; Infinity where none does. */
  limit(threshold: number): number {
    const bins = this.#bins;
    let all = 0;
    for (let bin = 0; bin < BINS; bin++) all += bins[bin] as number;
    const p = 10 ** -threshold;
    let counted = 0;
    let least = Infinity;
    for (let bin = BINS - 1; bin >= 0; bin--) {
      counted += bins[bin] as number;
      const extrapolated = (p * (all + PRIOR_POINTS) - counted) / PRIOR_POINTS;
      if (extrapolated <= 0) break;
      const top = bin === BINS - 1 ? MAX_SCORE : (bin + 1) * BIN;
      const raw = Math.max(threshold, bin * BIN, -Math.log10(extrapolated));
      if (raw <= top) least = raw;
      if (bin * BIN < threshold) break;
    }
    return this.#deviationOf(least);
  }

  learn(deviation: number): void {
    const cells = this.#cells;
    const at = this.#at;
    const bin = binOf(this.#extrapolated(deviation));
    this.#bins[bin] = (this.#bins[bin] as number) + 1;
    const count = (cells[at + COUNT] as number) + 1;
    cells[at + COUNT] = count;
    if (count % (MEMORY_POINTS / 2) === 0 && count >= MEMORY_POINTS) {
      for (let index = 0; index < BINS; index++) this.#bins[index] = (this.#bins[index] as number) / 2;
    }
    const level = cells[at + LEVEL] as number;
    const excess = cells[at + EXCESS] as number;
    const isAbove = deviation > level;
    const step = excess / (1 - TAIL) / Math.min(count + 30, MEMORY_POINTS);
    cells[at + LEVEL] = Math.max(this.#leastLevel, level + step * ((isAbove ? 1 : 0) - (1 - TAIL)));
    if (!isAbove) return;
    const exceeded = (cells[at + EXCEEDED] as number) + 1;
    cells[at + EXCEEDED] = exceeded;
    const over = Math.min(deviation - level, MAX_EXCESS * excess);
    cells[at + EXCESS] = excess + (over - excess) / Math.min(exceeded + PRIOR_EXCESSES, MEMORY_EXCESSES);
  }

  #extrapolated(deviation: number): number {
    const level = this.#cells[this.#at + LEVEL] as number;
    if (deviation <= level) return TAIL_SCORE * (deviation / level) ** 2;
    return Math.min(MAX_SCORE, TAIL_SCORE + (deviation - level) / (this.#tailScale() * Math.LN10));
  }

  #deviationOf(raw: number): number {
    const level = this.#cells[this.#at + LEVEL] as number;
    if (raw <= TAIL_SCORE) return level * Math.sqrt(raw / TAIL_SCORE);
    return level + (raw - TAIL_SCORE) * this.#tailScale() * Math.LN10;
  }

  /** The mean excess, wider as long as few exceedances are known. */
  #tailScale(): number {
    const exceeded = this.#cells[this.#at + EXCEEDED] as number;
    return (
      (this.#cells[this.#at + EXCESS] as number) *
      (1 + WIDENING / Math.min(exceeded + PRIOR_EXCESSES, MEMORY_EXCESSES))
    );
  }
}

function binOf(score: number): number {
  return Math.min(BINS - 1, Math.floor(score / BIN));
}
