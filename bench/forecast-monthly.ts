import type { Draws } from './draws.ts';

/** Sums of squares of weights of a season's twelve places are the strength's. */
const PLACES = 12;
const BURN_IN = 60;

/**
 * A monthly series as those of the forecasting competitions are: economic and business figures whose logarithm is a
 * level that wanders, a growth that comes back to its mean, a season that changes slowly, and noise that clusters;
 * some have a business cycle, a break, outliers. Parameters are drawn for each series, so that no one method is the
 * generator of all of them.
 */
export function monthly(draws: Draws, steps: number): number[] {
  const kind = draws.chance(0.5) ? structural : autoregressive;
  const logs = kind(draws, steps);
  const level = Math.log(draws.between(500, 8_000));
  return logs.map((value) => Math.round(10 * Math.exp(level + value)) / 10);
}

/** Level, damped growth, season and noise, each with a disturbance of its own (Harvey 1989). */
function structural(draws: Draws, steps: number): number[] {
  const noise = 10 ** draws.between(-2.3, -0.75);
  const wander = noise * 10 ** draws.between(-1.5, 0.3);
  const bend = wander * 10 ** draws.between(-2, -0.6);
  const damping = draws.between(0.85, 1);
  const season = seasonOf(draws);
  const turn = season.strength * 10 ** draws.between(-2.5, -1.2);
  const shock = shocksOf(draws, steps);
  const cycle = cycleOf(draws, noise);
  const drift = draws.chance(0.6) ? draws.between(-0.002, 0.008) : 0;
  let [level, slope] = [0, draws.between(-0.01, 0.015)];
  return Array.from({ length: steps }, (_, at) => {
    level += drift + slope + wander * draws.normal + shock.level(at);
    slope = damping * slope + bend * draws.normal;
    const place = at % PLACES;
    season.places[place] = (season.places[place] as number) + turn * draws.normal;
    return level + (season.places[place] as number) + cycle() + noise * draws.normal + shock.outlier(at);
  });
}

/** An ARIMA with drift around a fixed season: growth goes on, and returns, as its own coefficients say. */
function autoregressive(draws: Draws, steps: number): number[] {
  const [first, second] = [draws.between(-0.6, 0.7), draws.between(-0.3, 0.3)];
  const [moving, yearly] = [draws.between(-0.7, 0.4), draws.between(0, 0.6)];
  const size = 10 ** draws.between(-2.1, -0.85);
  const drift = draws.chance(0.6) ? draws.between(-0.003, 0.008) : 0;
  const season = seasonOf(draws);
  const shock = shocksOf(draws, steps);
  const isLevel = draws.chance(0.25);
  const past: number[] = [];
  const errors: number[] = [];
  let level = 0;
  return Array.from({ length: steps + BURN_IN }, (_, at) => {
    const error = size * draws.normal;
    const value =
      first * (past[at - 1] ?? 0) +
      second * (past[at - 2] ?? 0) +
      error +
      moving * (errors[at - 1] ?? 0) +
      yearly * (errors[at - PLACES] ?? 0);
    past.push(value);
    errors.push(error);
    level = (isLevel ? 0 : level) + drift * (isLevel ? at : 1) + value;
    const step = at - BURN_IN;
    return level + (season.places[at % PLACES] as number) + (step < 0 ? 0 : shock.outlier(step));
  }).slice(BURN_IN);
}

function seasonOf(draws: Draws): { readonly places: number[]; readonly strength: number } {
  const strength = draws.chance(0.7) ? 10 ** draws.between(-2, -0.5) : 0;
  return { places: Array.from({ length: PLACES }, () => strength * draws.normal), strength };
}

function cycleOf(draws: Draws, noise: number): () => number {
  if (!draws.chance(0.4)) return () => 0;
  const [length, keep] = [draws.between(30, 90), draws.between(0.95, 0.99)];
  const size = noise * draws.between(0.2, 1);
  const [cos, sin] = [keep * Math.cos((2 * Math.PI) / length), keep * Math.sin((2 * Math.PI) / length)];
  let [one, other] = [0, 0];
  return () => {
    [one, other] = [cos * one + sin * other + size * draws.normal, cos * other - sin * one];
    return one;
  };
}

function shocksOf(
  draws: Draws,
  steps: number,
): { readonly level: (at: number) => number; readonly outlier: (at: number) => number } {
  const breakAt = draws.chance(0.15) ? draws.int(0, steps - 1) : -1;
  const size = draws.between(-0.4, 0.4);
  const share = draws.chance(0.15) ? 0.02 : 0;
  return {
    level: (at) => (at === breakAt ? size : 0),
    outlier: () => (draws.chance(share) ? draws.between(-0.4, 0.4) : 0),
  };
}
