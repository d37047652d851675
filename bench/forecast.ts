import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import {
  FORECAST_METHODS,
  type Forecast,
  type ForecastMethod,
  forecastSeries,
  HISTORY_MIN_STEPS,
  maseOf,
  smapeOf,
} from '../analytics/index.ts';
import { generatedSeries, monthlySeries, type TestSeries, uciSeries } from './forecast-series.ts';
import { machine } from './rig.ts';

const GENERATED = 600;
const MONTHLY = 300;
const SEED = 15;

interface Sums {
  series: number;
  smape: number;
  /** Series whose test has no 0: of others sMAPE says how many zeros they have. */
  above: number;
  mase: number;
  /** Series that ever changed. */
  scaled: number;
  in_80: number;
  in_95: number;
  steps: number;
  ms: number;
}

/**
 * `npm run bench -- forecast [--file FILE] [--seed N]`: how good forecasts and their intervals are, for every method,
 * over generated series and the days of the UCI file, or over `[{id, period, train, test}, …]`.
 */
export async function forecastBench(): Promise<object> {
  const { values } = parseArgs({
    options: { file: { type: 'string' }, seed: { type: 'string' } },
    allowPositionals: true,
  });
  process.stdout.write(`${machine()}\n`);
  const seed = Number(values.seed ?? SEED);
  const groups: readonly (readonly [string, readonly TestSeries[]])[] =
    values.file === undefined
      ? [
          ...groupsOf([...generatedSeries(GENERATED, seed), ...monthlySeries(MONTHLY, seed)]),
          ['uci', await uciSeries()],
        ]
      : [[values.file, seriesOf(values.file)]];
  const totals = new Map<ForecastMethod, Sums>();
  for (const [name, all] of groups) {
    const series = all.filter(({ train, test }) => train.length >= HISTORY_MIN_STEPS && test.length > 0);
    if (series.length < all.length) process.stdout.write(`${all.length - series.length} are too short\n`);
    if (series.length === 0) continue;
    process.stdout.write(`${name}: ${series.length} series\n`);
    for (const method of FORECAST_METHODS) {
      const sums = run(method, series);
      const total = totals.get(method);
      totals.set(method, total === undefined ? sums : added(total, sums));
      process.stdout.write(`  ${method.padEnd(36)}${JSON.stringify(figuresOf(sums))}\n`);
    }
  }
  return Object.fromEntries([...totals].map(([method, sums]) => [method, figuresOf(sums)]));
}

function seriesOf(file: string): readonly TestSeries[] {
  const bytes = readFileSync(file);
  const text = file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return JSON.parse(text.toString()) as readonly TestSeries[];
}

function groupsOf(series: readonly TestSeries[]): readonly (readonly [string, readonly TestSeries[]])[] {
  const groups = new Map<string, TestSeries[]>();
  for (const one of series) {
    const name = one.id.split('/')[0] ?? '';
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups];
}

function run(method: ForecastMethod, all: readonly TestSeries[]): Sums {
  const sums: Sums = {
    series: 0,
    smape: 0,
    above: 0,
    mase: 0,
    scaled: 0,
    in_80: 0,
    in_95: 0,
    steps: 0,
    ms: 0,
  };
  for (const { period, train, test } of all) {
    const started = process.cpuUsage();
    const { points } = forecastSeries({ values: train, period }, { method, horizon: test.length });
    sums.ms += process.cpuUsage(started).user / 1_000;
    const means = points.map(({ mean }) => mean);
    sums.series++;
    if (!test.includes(0)) {
      sums.smape += smapeOf(test, means);
      sums.above++;
    }
    const mase = maseOf(test, means, train, period);
    if (mase !== null) {
      sums.mase += mase;
      sums.scaled++;
    }
    cover(sums, test, points);
  }
  return sums;
}

function cover(sums: Sums, test: readonly number[], points: Forecast['points']): void {
  for (const [at, value] of test.entries()) {
    const point = points[at];
    if (point === undefined) continue;
    sums.steps++;
    if (value >= point.lower_80 && value <= point.upper_80) sums.in_80++;
    if (value >= point.lower_95 && value <= point.upper_95) sums.in_95++;
  }
}

function added(a: Sums, b: Sums): Sums {
  return {
    series: a.series + b.series,
    smape: a.smape + b.smape,
    above: a.above + b.above,
    mase: a.mase + b.mase,
    scaled: a.scaled + b.scaled,
    in_80: a.in_80 + b.in_80,
    in_95: a.in_95 + b.in_95,
    steps: a.steps + b.steps,
    ms: a.ms + b.ms,
  };
}

/** ms of CPU a series; sMAPE in percent, null where every series has zeros; means over series; coverage in percent of steps. */
function figuresOf({ series, smape, above, mase, scaled, in_80, in_95, steps, ms }: Sums): object {
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  return {
    smape: above === 0 ? null : round(smape / above, 2),
    mase: round(mase / Math.max(scaled, 1), 3),
    coverage_80: round((100 * in_80) / steps, 1),
    coverage_95: round((100 * in_95) / steps, 1),
    ms: round(ms / series, 2),
  };
}
