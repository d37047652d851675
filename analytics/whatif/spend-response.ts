import { type Distributions, solve } from '../numeric/index.ts';
import { calendarRow, type MediumHistory, neighbourCorrelation, sumOf } from './history.ts';

/** One form that the response may have: revenue of a day = base + gain × a ÷ (half + a), where a is what carries over. */
interface Form {
  /** Of a day's effect, what is left the day after. */
  readonly carry: number;
  /** Spend at which half of the gain is reached, minor units a day. */
  readonly half: number;
  readonly gain: number;
  readonly error: number;
  readonly weight: number;
}

export interface SpendResponse {
  readonly dimension: string;
  readonly value: string;
  /** Mean of the last days, minor units a day: what goes on. */
  readonly daily: number;
  /** `history`: the spend moved; `prior`: it did not. */
  readonly source: 'history' | 'prior';
  /** The share by which revenue goes up with one percent more spend, in percent. */
  readonly elasticity: { readonly mean: number; readonly deviation: number };
  readonly forms: readonly Form[];
}

const CARRIES = [0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.85];
/** Of the mean spend. */
const HALVES = [0.15, 0.3, 0.6, 1, 2, 4, 8];
const RECENT_DAYS = 28;
/** Spend that varies less than this around its mean has not moved. */
const MOVED_VARIATION = 0.1;
const MIN_DAYS = 28;
/** Of the elasticity, before the data say: half of a normal distribution. */
const GAIN_SCALE = 0.5;
/**
 * Where spend never moved: the mean of 751 published short-term elasticities (Sethuraman, Tellis & Briesch, How Well
 * Does Advertising Work?, J. Marketing Research 48, 2011).
 */
export const SPEND_PRIOR = { mean: 0.12, deviation: 0.1 } as const;

/**
 * How revenue answers to spend: with geometric carry-over and saturation (Jin, Wang, Sun, Chan & Koehler, Bayesian
 * Methods for Media Mix Modeling with Carryover and Shape Effects, Google, 2017; Hill's form with slope 1). Each form of
 * a grid is a regression on the calendar and the response; they are averaged by how well they fit.
 */
export function spendResponse({
  dimension,
  value,
  spend,
  revenue,
}: MediumHistory): SpendResponse | undefined {
  const mean = sumOf(spend) / spend.length;
  const recent = spend.slice(-RECENT_DAYS);
  const daily = sumOf(recent) / recent.length;
  if (daily <= 0 || mean <= 0) return undefined;
  const variation = Math.sqrt(sumOf(spend.map((one) => (one - mean) ** 2)) / spend.length) / mean;
  const level = sumOf(revenue.slice(-RECENT_DAYS)) / recent.length;
  const isMoved = variation >= MOVED_VARIATION && spend.length >= MIN_DAYS;
  const forms = isMoved ? fittedForms(spend, revenue, mean) : priorForms(daily, level);
  const source = isMoved ? ('history' as const) : ('prior' as const);
  return { dimension, value, daily, source, forms, elasticity: elasticityOf(forms, daily, level) };
}

/** What has carried over on each day; all of a constant spend is its own level. */
export function carriedOver(spend: readonly number[], carry: number, before = 0): number[] {
  let left = before;
  return spend.map((one) => {
    left = carry * left + (1 - carry) * one;
    return left;
  });
}

const saturated = (carried: number, half: number): number => carried / (half + carried);

function fittedForms(spend: readonly number[], revenue: readonly number[], mean: number): readonly Form[] {
  const level = sumOf(revenue) / spend.length;
  const fits = CARRIES.flatMap((carry) => {
    const carried = carriedOver(spend, carry, spend[0]);
    return HALVES.map((share) => {
      const half = share * mean;
      return {
        carry,
        half,
        ...regression(
          revenue,
          carried.map((one) => saturated(one, half)),
        ),
      };
    });
  });
  const best = fits.reduce((a, b) => (b.squares < a.squares ? b : a));
  const correlation = neighbourCorrelation(best.residuals);
  // Neighbouring days that go together say less than as many of their own.
  const longer = (1 + correlation) / (1 - correlation);
  const found = fits.map(({ carry, half, gain, error, squares, freedom }) => {
    // The gain that means the elasticity's scale at the mean spend.
    const scale = (GAIN_SCALE * level * (half + mean) ** 2) / (half * mean);
    const [data, prior] = [error ** 2 * longer, scale ** 2];
    const variance = 1 / (1 / data + 1 / prior);
    const drawn = gain * (variance / data);
    // ln of the probability of the data, gains below 0 left out; what is the same for all forms is not in it.
    const log =
      -0.5 * (freedom / longer) * Math.log(squares / best.squares) +
      0.5 * Math.log(data / (data + prior)) -
      (0.5 * gain ** 2) / (data + prior) +
      Math.log(Math.max(normalBelow(drawn / Math.sqrt(variance)), 1e-12));
    return { carry, half, gain: drawn, error: Math.sqrt(variance), log };
  });
  const largest = Math.max(...found.map(({ log }) => log));
  const total = sumOf(found.map(({ log }) => Math.exp(log - largest)));
  return found.map(({ log, ...form }) => ({ ...form, weight: Math.exp(log - largest) / total }));
}

function priorForms(daily: number, level: number): readonly Form[] {
  const shares = [0.5, 1, 2, 4];
  return shares.map((share) => {
    const half = share * daily;
    const one = (level * (half + daily) ** 2) / (half * daily);
    const [gain, error] = [SPEND_PRIOR.mean * one, SPEND_PRIOR.deviation * one];
    return { carry: 0.5, half, gain, error, weight: 1 / shares.length };
  });
}

const KNOT_DAYS = 21;

/** Straight lines between knots, so that a level that wanders is not taken for an effect of spend. */
function wanderRow(day: number, days: number): number[] {
  const knots = Math.floor(days / KNOT_DAYS);
  return Array.from({ length: Math.max(0, knots - 1) }, (_, at) =>
    Math.max(0, 1 - Math.abs(day - ((at + 1) * days) / knots) / (days / knots)),
  );
}

interface Regression {
  readonly gain: number;
  readonly error: number;
  readonly squares: number;
  readonly residuals: readonly number[];
  readonly freedom: number;
}

function regression(values: readonly number[], effects: readonly number[]): Regression {
  const rows = values.map((_, day) => [
    ...calendarRow(day, values.length),
    ...wanderRow(day, values.length),
    effects[day] as number,
  ]);
  const size = rows[0]?.length ?? 0;
  const equations = (): number[][] =>
    Array.from({ length: size }, (_, place) =>
      Array.from({ length: size }, (__, other) =>
        rows.reduce((sum, row) => sum + (row[place] as number) * (row[other] as number), 0),
      ),
    );
  const right = Array.from({ length: size }, (_, place) =>
    rows.reduce((sum, row, day) => sum + (row[place] as number) * (values[day] as number), 0),
  );
  const found = solve(equations(), right);
  const residuals = values.map(
    (value, day) =>
      value - (rows[day] as number[]).reduce((sum, x, place) => sum + x * (found[place] as number), 0),
  );
  const squares = Math.max(sumOf(residuals.map((one) => one * one)), Number.EPSILON);
  const unit = new Array<number>(size).fill(0);
  unit[size - 1] = 1;
  const freedom = Math.max(1, values.length - size);
  const variance = (solve(equations(), unit)[size - 1] as number) * (squares / freedom);
  const error = Math.sqrt(Math.max(variance, 1e-12));
  return { gain: found[size - 1] as number, error, squares, residuals, freedom };
}

function elasticityOf(forms: readonly Form[], daily: number, level: number): SpendResponse['elasticity'] {
  const random = forms.map(({ gain, error, half, weight }) => {
    const slope = level <= 0 ? 0 : (half * daily) / (half + daily) ** 2 / level;
    const { mean, square } = aboveZero(gain, error);
    return { weight, mean: mean * slope, square: square * slope ** 2 };
  });
  const mean = sumOf(random.map((one) => one.weight * one.mean));
  const square = sumOf(random.map((one) => one.weight * one.square));
  return { mean, deviation: Math.sqrt(Math.max(square - mean ** 2, 0)) };
}

/** Mean and mean square of a normal distribution cut off below 0. */
function aboveZero(mean: number, deviation: number): { readonly mean: number; readonly square: number } {
  const at = mean / deviation;
  const density = Math.exp(-0.5 * at * at) / Math.sqrt(2 * Math.PI);
  const ratio = density / Math.max(normalBelow(at), 1e-12);
  const first = mean + deviation * ratio;
  return { mean: first, square: mean * first + deviation ** 2 };
}

/** The normal distribution, within 1.5e-7: Abramowitz & Stegun 7.1.26. */
function normalBelow(at: number): number {
  const x = Math.abs(at) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = 0.5 * poly * Math.exp(-x * x);
  return at >= 0 ? 1 - tail : tail;
}

/** By how much revenue of the whole horizon changes when the spend goes to `factor` times what it was. */
export function revenueChange(
  { forms, daily }: SpendResponse,
  factor: number,
  horizon_days: number,
  random: Distributions,
): number {
  const form = pick(forms, random.uniform());
  let gain = form.gain + form.error * random.normal();
  for (let tries = 0; gain < 0 && tries < MAX_TRIES; tries++) gain = form.gain + form.error * random.normal();
  return Math.max(gain, 0) * changeOf(form, daily, factor, horizon_days);
}
const MAX_TRIES = 50;

/** The same at the middle of what is known. */
export function meanRevenueChange(
  { forms, daily }: SpendResponse,
  factor: number,
  horizon_days: number,
): number {
  return sumOf(
    forms.map(
      (form) =>
        form.weight * aboveZero(form.gain, form.error).mean * changeOf(form, daily, factor, horizon_days),
    ),
  );
}

/** Of the saturated effect, summed over days. */
function changeOf({ carry, half }: Form, daily: number, factor: number, horizon_days: number): number {
  const after = carriedOver(new Array<number>(horizon_days).fill(daily * factor), carry, daily);
  return sumOf(after.map((carried) => saturated(carried, half) - saturated(daily, half)));
}

function pick(forms: readonly Form[], share: number): Form {
  let left = share;
  for (const form of forms) {
    left -= form.weight;
    if (left <= 0) return form;
  }
  return forms.at(-1) as Form;
}
