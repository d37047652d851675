import { parseArgs } from 'node:util';
import {
  FORECAST_METHODS,
  type Forecast,
  type ForecastMethod,
  forecastSeries,
  HORIZON_MAX_STEPS,
  maseOf,
  type OtherMethods,
  smapeOf,
} from '../analytics/index.ts';
import { asMillraceError, MillraceError } from '../engine/index.ts';
import { type FileSeries, seriesOf } from './forecast-file.ts';
import { packagedMethods } from './forecast-packaged.ts';
import { generatedSeries, monthlySeries, type TestSeries, uciSeries } from './forecast-series.ts';
import { machine } from './rig.ts';

const GENERATED = 600;
const MONTHLY = 300;
const SEED = 15;

type Numbers = 'series' | 'above' | 'smape' | 'scaled' | 'mase' | 'in_80' | 'in_95' | 'steps' | 'ms';
/**
 * `above`: series whose test has no 0, of others sMAPE says how many zeros they have. `scaled`: series that ever
 * changed.
 */
type Sums = Record<Numbers, number>;

/** What is tried, by the name that is printed. */
interface Trial {
  readonly name: string;
  readonly method: ForecastMethod;
  readonly others?: OtherMethods;
}

/**
 * `npm run bench -- forecast [--file FILE] [--seed N] [--every N] [--beside]`: how good forecasts and their intervals
 * are, for every method, over generated series and the days of the UCI file, or over `[{id, period, train, test}, …]`.
 * `--every` takes one of so many series; `--beside` tries those of a package besides, in the place of ours.
 */
export async function forecastBench(): Promise<object> {
  const { values } = parseArgs({
    options: {
      ...{ file: { type: 'string' }, seed: { type: 'string' } },
      ...{ every: { type: 'string' }, beside: { type: 'boolean' } },
    },
    allowPositionals: true,
  });
  process.stdout.write(`${machine()}\n`);
  const every = wholeOf(values.every ?? '1', '--every');
  const packaged = values.beside === true ? await packagedMethods() : undefined;
  if (packaged !== undefined) {
    const [ms, mb] = [Math.round(packaged.load_ms), Math.round(packaged.load_mb)];
    process.stdout.write(`the package is loaded in ${ms} ms, with ${mb} MB\n`);
  }
  const trials = trialsOf(packaged?.methods);
  const totals = new Map<string, Sums>();
  for (const [name, all] of await groupsOf(values.file, wholeOf(values.seed ?? `${SEED}`, '--seed'))) {
    const series = all.filter((_, at) => at % every === 0).filter(isTaken);
    if (series.length === 0) continue;
    process.stdout.write(`${name}: ${series.length} series\n`);
    for (const trial of trials) {
      const sums = run(trial, series);
      totals.set(trial.name, added(totals.get(trial.name), sums));
      process.stdout.write(`  ${trial.name.padEnd(36)}${JSON.stringify(figuresOf(sums))}\n`);
    }
  }
  if (packaged !== undefined) {
    process.stdout.write(`no answer: ${JSON.stringify(Object.fromEntries(packaged.failures))}\n`);
  }
  return Object.fromEntries([...totals].map(([name, sums]) => [name, figuresOf(sums)]));
}

function wholeOf(text: string, name: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new MillraceError('invalid_option', `${name} is ${text}: give a whole number from 1.`);
}

function trialsOf(packaged: OtherMethods | undefined): readonly Trial[] {
  if (packaged === undefined) return FORECAST_METHODS.map((method) => ({ name: method, method }));
  const { ets, mstl, prophet } = packaged;
  if (ets === undefined || mstl === undefined || prophet === undefined) return [];
  return [
    { name: 'auto', method: 'auto' },
    { name: 'auto, ets of the package', method: 'auto', others: { ets } },
    { name: 'auto, mstl of the package', method: 'auto', others: { mstl } },
    { name: 'auto, both of the package', method: 'auto', others: { ets, mstl } },
    ...(['ets', 'mstl', 'prophet'] as const).flatMap((method) => [
      { name: method, method },
      { name: `${method} of the package`, method, others: packaged },
    ]),
  ];
}

/** Whether a series can be forecast; else says why. */
function isTaken(series: FileSeries): boolean {
  const problem = problemOf(series);
  if (problem !== undefined) process.stdout.write(`left out: ${series.id}: ${problem}\n`);
  return problem === undefined;
}

function problemOf({ period, train, test }: FileSeries): string | undefined {
  if (test.length > HORIZON_MAX_STEPS) return `the test has more than ${HORIZON_MAX_STEPS} steps.`;
  if (test.every((value) => value === null)) return 'the test has no value.';
  try {
    forecastSeries({ values: train, period }, { method: 'naive', horizon: 1 });
    return undefined;
  } catch (error) {
    return asMillraceError(error).message;
  }
}

type Groups = readonly (readonly [string, readonly FileSeries[]])[];

async function groupsOf(file: string | undefined, seed: number): Promise<Groups> {
  if (file !== undefined) {
    const { series, bad } = seriesOf(file);
    for (const { id, problem } of bad) process.stdout.write(`left out: ${id}: ${problem}\n`);
    return [[file, series]];
  }
  const groups = new Map<string, TestSeries[]>();
  for (const one of [...generatedSeries(GENERATED, seed), ...monthlySeries(MONTHLY, seed)]) {
    const name = one.id.split('/')[0] ?? '';
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups, ['uci', await uciSeries()]];
}

const NOTHING: Sums = {
  ...{ series: 0, above: 0, smape: 0, scaled: 0, mase: 0 },
  ...{ in_80: 0, in_95: 0, steps: 0, ms: 0 },
};

function run({ method, others }: Trial, all: readonly FileSeries[]): Sums {
  const sums = { ...NOTHING };
  for (const { period, train, test } of all) {
    const started = process.cpuUsage();
    const { points } = forecastSeries({ values: train, period }, { method, horizon: test.length }, others);
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

function cover(sums: Sums, test: FileSeries['test'], points: Forecast['points']): void {
  for (const [at, value] of test.entries()) {
    const point = points[at];
    if (point === undefined || value === null) continue;
    sums.steps++;
    if (value >= point.lower_80 && value <= point.upper_80) sums.in_80++;
    if (value >= point.lower_95 && value <= point.upper_95) sums.in_95++;
  }
}

function added(a: Sums = NOTHING, b: Sums): Sums {
  const found = { ...NOTHING };
  for (const name of Object.keys(found) as Numbers[]) found[name] = a[name] + b[name];
  return found;
}

/** ms of CPU a series; sMAPE in percent, null where every series has zeros; means over series; coverage in percent of steps. */
function figuresOf({ series, smape, above, mase, scaled, in_80, in_95, steps, ms }: Sums): object {
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  return {
    smape: above === 0 ? null : round(smape / above, 2),
    mase: scaled === 0 ? null : round(mase / scaled, 3),
    coverage_80: round((100 * in_80) / steps, 1),
    coverage_95: round((100 * in_95) / steps, 1),
    ms: round(ms / series, 2),
  };
}
