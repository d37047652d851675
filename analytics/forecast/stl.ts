import { loess, movingMeans } from './loess.ts';

/** A history in parts whose sum it is. */
export interface Decomposed {
  /** One for each period that was asked for. */
  readonly seasons: readonly Float64Array<ArrayBuffer>[];
  /** What is left without them. */
  readonly adjusted: Float64Array<ArrayBuffer>;
  /** Of what is left, smoothed over the longest season. */
  readonly trend: Float64Array;
}

/** Seasons next to each other that a season's places are drawn from: the more, the slower it changes. */
const SEASON_WINDOW = 11;
const LONGER_WINDOW = 15;
const ROUNDS = 2;

/**
 * Trend and seasons by loess: STL (Cleveland et al., J. Official Statistics 6, 1990), for several periods by turns
 * (MSTL: Bandara, Hyndman & Bergmeir 2021), the shortest first. Each period fits at least twice.
 */
export function decomposed(history: readonly number[], periods: readonly number[]): Decomposed {
  const seasons = periods.map(() => new Float64Array(history.length));
  const adjusted = Float64Array.from(history);
  let trend: Float64Array = adjusted;
  // One season is found at once.
  const turns = periods.length > 1 ? ROUNDS : 1;
  for (let turn = 0; turn < turns; turn++) {
    for (const [place, period] of periods.entries()) {
      const before = seasons[place] as Float64Array;
      for (let at = 0; at < adjusted.length; at++) {
        adjusted[at] = (adjusted[at] as number) + (before[at] as number);
      }
      const found = seasonBy(adjusted, period, place === 0 ? SEASON_WINDOW : LONGER_WINDOW);
      const { season } = found;
      seasons[place] = season;
      trend = found.trend;
      for (let at = 0; at < adjusted.length; at++) {
        adjusted[at] = (adjusted[at] as number) - (season[at] as number);
      }
    }
  }
  return { seasons, adjusted, trend };
}

/**
 * How much of the variance around the trend a season is, 0 to 1 (Wang, Smith & Hyndman, Data Mining and Knowledge
 * Discovery 13, 2006).
 */
export function strengthOf({ seasons, adjusted, trend }: Decomposed, place: number): number {
  const rest = adjusted.map((value, at) => value - (trend[at] as number));
  const both = rest.map((value, at) => value + (seasons[place]?.[at] ?? 0));
  return Math.max(0, 1 - varianceOf(rest) / Math.max(varianceOf(both), Number.MIN_VALUE));
}

function varianceOf(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

const odd = (least: number): number => Math.ceil(least) + (Math.ceil(least) % 2 === 0 ? 1 : 0);

/** The inner loop of STL. */
function seasonBy(
  values: Float64Array,
  period: number,
  window: number,
): { readonly season: Float64Array<ArrayBuffer>; readonly trend: Float64Array } {
  const count = values.length;
  const trendWindow = odd((1.5 * period) / (1 - 1.5 / window));
  const all = { from: 0, count };
  let trend: Float64Array = new Float64Array(count);
  let season = new Float64Array(count);
  for (let round = 0; round < ROUNDS; round++) {
    const cycles = cyclesOf(
      values.map((value, at) => value - (trend[at] as number)),
      period,
      window,
    );
    const low = movingMeans(movingMeans(movingMeans(cycles, period), period), 3);
    const drift = loess(low, odd(period), 1, all);
    season = Float64Array.from(values, (_, at) => (cycles[at + period] as number) - (drift[at] as number));
    trend = loess(
      values.map((value, at) => value - (season[at] as number)),
      trendWindow,
      1,
      all,
    );
  }
  return { season, trend };
}

/** Each place of the season smoothed over the seasons, with one more season at both ends. */
function cyclesOf(values: Float64Array, period: number, window: number): Float64Array<ArrayBuffer> {
  const found = new Float64Array(values.length + 2 * period);
  for (let place = 0; place < period; place++) {
    const own = values.filter((_, at) => at % period === place);
    const smooth = loess(own, window, 0, { from: -1, count: own.length + 2 });
    for (const [turn, value] of smooth.entries()) found[place + turn * period] = value;
  }
  return found;
}
