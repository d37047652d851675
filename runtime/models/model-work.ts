import {
  type Base,
  baseOf,
  type Forecast,
  type ForecastMethod,
  type ForecastSeries,
  type ForecastWish,
  forecastSeries,
  reconciled,
  simulateWhatif,
} from '../../analytics/index.ts';
import { asMillraceError } from '../../engine/index.ts';

/** A series to be forecast. Plain data. */
export interface ForecastTask {
  readonly series: ForecastSeries;
  readonly method: ForecastMethod;
  readonly horizon: number;
}

/** A part of a whole: its intervals are drawn once it agrees with the others. Plain data. */
export interface BaseTask {
  readonly series: ForecastSeries;
  readonly wish: ForecastWish;
}

/** What is computed with models, by name: pure, of plain data, and too long for a thread that answers. */
export const MODEL_WORK = {
  forecast: ({ series, method, horizon }: ForecastTask): Forecast =>
    forecastSeries(series, { method, horizon }),
  base: ({ series, wish }: BaseTask): Base => baseOf(series, wish),
  reconcile: reconciled,
  whatif: simulateWhatif,
} as const;

export type ModelWork = keyof typeof MODEL_WORK;
export type TaskOf<W extends ModelWork> = Parameters<(typeof MODEL_WORK)[W]>[0];
/** What a kind of work gives. */
export type ResultOf<W extends ModelWork> = ReturnType<(typeof MODEL_WORK)[W]>;

/** What came of one task: some of many may have too little to go by. */
export type ModelOutcome<W extends ModelWork> =
  | { readonly result: ResultOf<W> }
  | { readonly error: ModelError };

export interface ModelError {
  readonly code: string;
  readonly message: string;
}

export interface ModelThreadData<W extends ModelWork = ModelWork> {
  readonly millrace: 'models';
  readonly work: W;
  readonly tasks: readonly TaskOf<W>[];
}

/** What is wrong with a task is its own outcome. */
export function outcomeOf<W extends ModelWork>(work: W, task: TaskOf<W>): ModelOutcome<W> {
  try {
    const compute = MODEL_WORK[work] as (task: TaskOf<W>) => ResultOf<W>;
    return { result: compute(task) };
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return { error: { code, message } };
  }
}
