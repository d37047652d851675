import { readFileSync } from 'node:fs';
import { deseasoned, hasSeason, isPositive, type OtherMethods } from '../analytics/index.ts';

type PointMethod = NonNullable<OtherMethods['ets']>;

/** Methods of the package `@bsull/augurs` in the place of ours, and how often each found no answer. */
export interface Packaged {
  readonly methods: Required<Pick<OtherMethods, 'ets' | 'mstl' | 'prophet'>>;
  readonly failures: ReadonlyMap<string, number>;
  readonly load_ms: number;
  readonly load_mb: number;
}

/** Periods that steps of a period often have as well, as our own `mstl` takes them. */
const LONGER: Readonly<Record<number, number>> = { 7: 365, 24: 168, 96: 672 };
const LONGER_MIN_SEASONS = 3;
const DAY_S = 86_400;
const STEP_DAYS: Readonly<Record<number, number>> = { 7: 1, 24: 1 / 24, 96: 1 / 96 };
const YEAR_DAYS = 365.25;
const NO_SEASON_DAYS = 366;
const FIRST_S = Date.UTC(2020, 0, 1) / 1_000;
const MB = 1_000_000;

/**
 * Loads the package: its exponential smoothing has no season, and is given a history without, as our Theta is; its MSTL
 * has logarithms and periods as ours. What finds no answer says the last value again.
 */
export async function packagedMethods(): Promise<Packaged> {
  const [started_ms, before] = [performance.now(), process.memoryUsage.rss()];
  const { AutoETS, initSync: initEts } = await import('@bsull/augurs/ets');
  const { MSTL, initSync: initMstl } = await import('@bsull/augurs/mstl');
  const { Prophet, initSync: initProphet } = await import('@bsull/augurs/prophet');
  const { optimizer } = await import('@bsull/augurs-prophet-wasmstan');
  const bytesOf = (name: string) => ({
    module: readFileSync(new URL(`${name}_bg.wasm`, import.meta.resolve('@bsull/augurs'))),
  });
  initEts(bytesOf('ets'));
  initMstl(bytesOf('mstl'));
  initProphet(bytesOf('prophet'));
  const load_ms = performance.now() - started_ms;
  const load_mb = (process.memoryUsage.rss() - before) / MB;

  const smoothed = (values: readonly number[], horizon: number): readonly number[] => {
    using model = new AutoETS(1, 'ZZN');
    model.fit(Float64Array.from(values));
    return model.predict(horizon).point;
  };
  const ets: PointMethod = (history, period, horizon) => {
    const { values, restore } = deseasoned(history, period);
    return smoothed(values, horizon).map((value, at) => restore(value, at + 1));
  };
  const mstl: PointMethod = (history, period, horizon) => {
    const longer = LONGER[period] ?? Number.POSITIVE_INFINITY;
    const periods = [
      ...(hasSeason(history, period) ? [period] : []),
      ...(history.length >= LONGER_MIN_SEASONS * longer ? [longer] : []),
    ];
    if (periods.length === 0) return smoothed(history, horizon);
    const isLog = isPositive(history);
    using model = MSTL.ets(Uint32Array.from(periods));
    model.fit(Float64Array.from(history, (value) => (isLog ? Math.log(value) : value)));
    return model.predict(horizon).point.map((value) => (isLog ? Math.exp(value) : value));
  };
  const prophet: PointMethod = (history, period, horizon) => {
    const step_s = Math.round(
      DAY_S * (STEP_DAYS[period] ?? (period > 1 ? YEAR_DAYS / period : NO_SEASON_DAYS)),
    );
    const timeOf = (at: number): number => FIRST_S + at * step_s;
    using model = new Prophet({ optimizer });
    model.fit({ ds: history.map((_, at) => timeOf(at)), y: Float64Array.from(history) });
    const ds = Array.from({ length: horizon }, (_, at) => timeOf(history.length + at));
    return model.predict({ ds }).yhat.point;
  };

  const failures = new Map<string, number>();
  const answered =
    (name: string, method: PointMethod): PointMethod =>
    (history, period, horizon) => {
      try {
        const points = method(history, period, horizon);
        if (points.every(Number.isFinite)) return points;
      } catch {
        // The package throws texts of several kinds where it finds no model; counted, and said in the end.
      }
      failures.set(name, (failures.get(name) ?? 0) + 1);
      return new Array<number>(horizon).fill(history.at(-1) ?? 0);
    };
  const methods = {
    ets: answered('ets', ets),
    mstl: answered('mstl', mstl),
    prophet: answered('prophet', prophet),
  };
  return { methods, failures, load_ms, load_mb };
}
