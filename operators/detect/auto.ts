import { fnv1aOfString } from '../core/index.ts';
import { PROFILE_FLOATS, ProfileChannel } from './auto-profile.ts';
import { RHYTHM_FLOATS, RhythmChannel } from './auto-rhythm.ts';
import { SHAPE_FLOATS, ShapeChannel } from './auto-shape.ts';
import type { DetectorConfig } from './detector.ts';
import { HEAD_CELLS, type Judgement, SeriesDetector, UNKNOWN } from './series-state.ts';
import { TAIL_FLOATS, type TailBeliefs, TailScore } from './tail-score.ts';

const FORMAT = 201;
const DAY_MS = 86_400_000;

/** Windows before which nothing is said: two days of them, within these bounds. */
const LEAST_WARM = 30;
const MOST_WARM = 600;
/** Memory of the errors by which channels are chosen, windows. */
const SKILL_MEMORY = 1_500;
const SHIFT_MEMORY = 50;
/**
 * The week is what a series follows where it errs by at most this share of what the recent mean errs by, and no more
 * than the last value does. Of noise around a level, where the last value errs that much more, it need not be better
 * than the mean.
 */
const SKILL = 0.85;
const NOISE = 1.02;

/** Who looks twice sees something strange twice as often (Bonferroni): in −log10 p. */
const TWO_LOOKS = Math.log10(2);

const SEED = HEAD_CELLS;
const CELLS = SEED + 1;

const SHAPE = 0;
const PROFILE = SHAPE + SHAPE_FLOATS;
const RHYTHM = PROFILE + PROFILE_FLOATS;
const SHAPE_TAIL = RHYTHM + RHYTHM_FLOATS;
const PROFILE_TAIL = SHAPE_TAIL + TAIL_FLOATS;
const RHYTHM_TAIL = PROFILE_TAIL + TAIL_FLOATS;
const RHYTHM_ERROR = RHYTHM_TAIL + TAIL_FLOATS;
const RECENT_ERROR = RHYTHM_ERROR + 1;
const LAST_ERROR = RECENT_ERROR + 1;
const LAST = LAST_ERROR + 1;
const COMPARED = LAST + 1;
const FLOATS = COMPARED + 1;

/** Deviations of any unit: the first ones say the scale. */
const OF_ANY_UNIT: TailBeliefs = {
  quantile: 0.97,
  leastLevel: 0,
  level: 0,
  excess: 0,
  exceedances: 5,
  widening: 0,
  restTeaches: true,
  maxExcess: 10,
};
const SHAPE_BELIEFS = OF_ANY_UNIT;
const PROFILE_BELIEFS: TailBeliefs = { ...OF_ANY_UNIT, quantile: 0.98 };
/** Deviations of a normal distribution, about. */
const RHYTHM_BELIEFS: TailBeliefs = {
  quantile: 0.97,
  leastLevel: 2,
  level: 2.5,
  excess: 0.6,
  exceedances: 20,
  widening: 6,
  restTeaches: true,
  maxExcess: 3,
};

/**
 * What a user gets without choosing: three channels, of which the series' own history says which count. Where a shop's
 * week foretells it better than its recent mean and its last value do, the week does (`RhythmChannel`); else the
 * stranger of its course and its hour (`ShapeChannel`, `ProfileChannel`).
 */
export class AutoDetector extends SeriesDetector {
  readonly method = 'auto';
  readonly #shape: ShapeChannel;
  readonly #profile: ProfileChannel;
  readonly #rhythm: RhythmChannel;
  readonly #shapeTail: TailScore;
  readonly #profileTail: TailScore;
  readonly #rhythmTail: TailScore;
  readonly #warmPoints: number;

  constructor(config: DetectorConfig, rest_windows: number) {
    super(config, FORMAT, { f64: CELLS, f32: FLOATS }, rest_windows);
    const { floats, window_ms } = this;
    this.#shape = new ShapeChannel(floats, SHAPE);
    this.#profile = new ProfileChannel(floats, PROFILE, window_ms);
    this.#rhythm = new RhythmChannel(floats, RHYTHM, window_ms, rest_windows);
    this.#shapeTail = new TailScore(floats, SHAPE_TAIL, SHAPE_BELIEFS);
    this.#profileTail = new TailScore(floats, PROFILE_TAIL, PROFILE_BELIEFS);
    this.#rhythmTail = new TailScore(floats, RHYTHM_TAIL, RHYTHM_BELIEFS);
    this.#warmPoints = Math.max(LEAST_WARM, Math.min(MOST_WARM, Math.ceil((2 * DAY_MS) / window_ms)));
  }

  protected override begin(key: string): void {
    this.cells[SEED] = fnv1aOfString(key);
    this.#shapeTail.begin();
    this.#profileTail.begin();
    this.#rhythmTail.begin();
    this.#rhythm.begin();
  }

  protected override judge(value: number, start_ms: number): Judgement {
    const local_ms = start_ms + this.utcOffsetOf_ms(start_ms);
    const byRhythm = this.#followsRhythm();
    const bounds = this.#bounds(local_ms, byRhythm);
    const counts = !this.isResting;
    const rhythm = this.#scoreRhythm(value, local_ms, counts);
    const other = this.#scoreOthers(value, local_ms, counts);
    if (this.points < this.#warmPoints) return UNKNOWN;
    return { ...bounds, score: byRhythm ? rhythm : other };
  }

  protected override pass(start_ms: number): Judgement {
    if (this.points < this.#warmPoints) return UNKNOWN;
    return this.#bounds(start_ms + this.utcOffsetOf_ms(start_ms), this.#followsRhythm());
  }

  protected override told(): void {
    this.#rhythm.restart();
  }

  protected override isRestLonger(rest_windows: number): boolean {
    const after = this.#rhythm.afterRest(rest_windows);
    if (after === 'shifted') {
      this.#profile.forget();
      // What each erred by while the level changed says little of what it errs by now.
      this.floats[COMPARED] = Math.min(this.floats[COMPARED] as number, SHIFT_MEMORY);
    }
    return after === 'off' && this.#followsRhythm();
  }

  /** Whether the week foretells the series better than the recent mean and the last value do. */
  #followsRhythm(): boolean {
    const { floats, points } = this;
    if (this.isNegative || !this.#rhythm.isWarm(points - LEAST_WARM)) return false;
    const error = floats[RHYTHM_ERROR] as number;
    const recent = floats[RECENT_ERROR] as number;
    const last = floats[LAST_ERROR] as number;
    return error <= recent * (error <= SKILL * last ? NOISE : SKILL) && error <= last;
  }

  #bounds(local_ms: number, byRhythm: boolean): Judgement {
    if (!byRhythm) {
      const expected = this.#profile.expected(local_ms);
      const reach = this.#profile.reach(this.#profileTail.limit(this.threshold + TWO_LOOKS));
      return this.bounded(0, expected, reach, reach);
    }
    const { mean } = this.#rhythm.expect(local_ms, this.#profile.recent, this.isWhole);
    const { above, below } = this.#rhythm.reach(this.#rhythmTail.limit(this.threshold));
    return this.bounded(0, mean, below, above);
  }

  #scoreRhythm(value: number, local_ms: number, counts: boolean): number {
    const { points, isWhole } = this;
    const { mean } = this.#rhythm.expect(local_ms, points === 0 ? value : this.#profile.recent, isWhole);
    this.#compare(value, mean);
    const deviation = this.#rhythm.deviation(value);
    let score = 0;
    if (this.#rhythm.isWarm(points)) {
      score = this.#rhythmTail.score(deviation);
      this.#rhythmTail.learn(deviation, counts);
    }
    this.#rhythm.learn(value, local_ms, points, isWhole, !counts);
    return score;
  }

  #scoreOthers(value: number, local_ms: number, counts: boolean): number {
    const { points } = this;
    const course = this.#shape.add(value, points, this.cells[SEED] as number);
    const hour = this.#profile.add(value, points, local_ms);
    const stranger = Math.max(
      scored(this.#shapeTail, course, counts),
      scored(this.#profileTail, hour, counts),
    );
    return Math.max(0, stranger - TWO_LOOKS);
  }

  /** Mean absolute errors of the week, of the recent mean and of the last value. */
  #compare(value: number, mean: number): void {
    const { floats, points } = this;
    // Each has had its time to learn.
    if (this.#rhythm.isWarm(points)) {
      const compared = Math.min((floats[COMPARED] as number) + 1, SKILL_MEMORY);
      floats[COMPARED] = compared;
      const gain = 1 / compared;
      this.#average(RHYTHM_ERROR, Math.abs(value - mean), gain);
      this.#average(RECENT_ERROR, Math.abs(value - this.#profile.recent), gain);
      this.#average(LAST_ERROR, Math.abs(value - (floats[LAST] as number)), gain);
    }
    floats[LAST] = value;
  }

  #average(at: number, error: number, gain: number): void {
    const before = this.floats[at] as number;
    this.floats[at] = before + (error - before) * gain;
  }
}

function scored(tail: TailScore, deviation: number | undefined, counts: boolean): number {
  if (deviation === undefined) return 0;
  const score = tail.score(deviation);
  tail.learn(deviation, counts);
  return score;
}
