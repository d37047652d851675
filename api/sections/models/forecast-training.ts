import {
  demandOf,
  FORECAST_VERSION,
  type ForecastSeries,
  forecastProblem,
  type GranularityName,
  type Hierarchy,
  QueryError,
} from '../../../analytics/index.ts';
import {
  type ForecastTask,
  forecastAll,
  forecastHierarchy,
  type ModelOutcome,
  type RunningJob,
} from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { positionOf } from '../../http/index.ts';
import { keptGroup, keptTotal, scaleOf, scoreOf, timesAfter } from './forecast-content.ts';
import { type GroupHistory, type Histories, isPartOf, readHistories } from './forecast-history.ts';
import { wholeParams } from './forecast-queries.ts';
import { censoredOf, regressorsOf, unusedStockOuts } from './forecast-regressors.ts';
import type { ForecastContent, KeptGroup, ModelBody, Trained } from './model-schema.ts';

/** What training of any type gives: what is said of it, and what a prediction needs. */
export interface TrainingResult<C> {
  readonly content: C;
  readonly facts: Omit<Trained, 'trained_at' | 'definition_hash' | 'object'>;
}

const NO_TOTAL =
  'The groups are no parts of a whole (an order is in several of them, or the metric is no sum): there is no total, and each is forecast for itself.';
const SHORT_REST =
  'The groups that are not forecast have too little history: there is no total, and each is forecast for itself.';

/** Reads the history and forecasts each group of it, and their total, which is their sum at every step. */
export async function trainForecast(
  parts: AnswerParts,
  job: RunningJob,
  model: Pick<ModelBody, 'dataset' | 'params'>,
): Promise<TrainingResult<ForecastContent>> {
  const { horizon } = wholeParams.parse(model.params);
  const histories = await readHistories(parts, job, model);
  const { answered, steps } = histories;
  const { answer, state } = answered;
  if (steps.length === 0) requireSome([]);
  const last = steps.at(-1) ?? '';
  const times = timesAfter(last, horizon + 1, answer, parts.tenants?.defaultsOf(job.record.tenant));
  const { groups, totals, warnings } = await forecasts(job, histories, taskMaker(histories, times, model));
  return {
    content: { kind: 'forecast', times: times.slice(0, horizon), groups: [...groups], totals: [...totals] },
    facts: {
      code_version: FORECAST_VERSION,
      position: positionOf(state.freshness.sequence, state.progress?.incarnation),
      history: { first: steps[0] ?? '', last },
      groups_left_out: answer.groups_total - answer.groups.length,
      score: scoreOf(groups),
      warnings: [...warnings, ...unusedStockOuts(wholeParams.parse(model.params).regressors, groups)],
    },
  };
}

type TaskMaker = (history: GroupHistory, isWhole?: boolean) => ForecastTask;

/** How a history is forecast. */
function taskMaker(
  { steps, spend }: Histories,
  times: readonly string[],
  { dataset, params }: Pick<ModelBody, 'dataset' | 'params'>,
): TaskMaker {
  const { method, season, horizon, regressors: wish } = wholeParams.parse(params);
  const granularity = String(dataset.granularity) as GranularityName;
  const given = { times: [...steps, ...times], known: steps.length, season, granularity, spend };
  const regressors = wish === undefined ? [] : regressorsOf(wish, given);
  return ({ key, values }, isWhole = false) => {
    // Before the first value that is not 0 there was nothing to sell.
    const found = values.findIndex((value) => value !== null && value !== 0);
    const first = isWhole ? 0 : Math.max(found, 0);
    const series: ForecastSeries = {
      ...{ values: values.slice(first), period: season },
      regressors: regressors.map((one) => ({ ...one, values: one.values.slice(first) })),
      ...(wish === undefined ? {} : { censored: censoredOf(wish, key, steps.slice(first)) }),
    };
    return { series, method, horizon };
  };
}

interface Forecasts {
  readonly groups: readonly KeptGroup[];
  readonly totals: readonly KeptGroup[];
  readonly warnings: readonly string[];
}

async function forecasts(job: RunningJob, histories: Histories, taskOf: TaskMaker): Promise<Forecasts> {
  const { groups, totals } = histories;
  const tasks = groups.map((group) => taskOf(group));
  let done = 0;
  const computing = {
    signal: job.signal,
    onProgress: () => job.advance({ done: ++done, total: tasks.length + totals.length, unit: 'groups' }),
  };
  const wholes = totals.map((total) => wholeOf(total, groups, tasks, taskOf));
  if (totals.length === 0 || wholes.includes(undefined)) {
    const outcomes = await forecastAll(tasks, computing);
    requireSome(outcomes);
    const isGrouped = Object.keys(groups[0]?.key ?? {}).some((name) => name !== 'currency');
    return {
      groups: outcomes.map((outcome, at) => keptOf(outcome, groups[at], tasks[at])),
      totals: [],
      warnings: !isGrouped ? [] : [totals.length === 0 ? NO_TOTAL : SHORT_REST],
    };
  }
  const found: (KeptGroup | undefined)[] = groups.map(() => undefined);
  const rests: KeptGroup[] = [];
  const sums: KeptGroup[] = [];
  for (const whole of wholes) {
    if (whole === undefined) continue;
    const { total, groups: outcomes } = await forecastHierarchy(whole.hierarchy, computing);
    const kept = outcomes.map((one, place) =>
      keptOf({ result: one }, whole.parts[place], whole.hierarchy.groups[place]),
    );
    for (const [place, at] of whole.places.entries()) found[at] = kept[place];
    if (whole.places.length < kept.length)
      rests.push(...kept.slice(-1).map((one) => ({ ...one, is_rest: true })));
    sums.push(keptTotal(keptOf({ result: total }, whole.total, whole.hierarchy.total), kept));
  }
  const all = groups.map((group, at) => {
    const error = forecastProblem(tasks[at]?.series ?? NOTHING) ?? {
      code: 'too_little_history',
      message: '',
    };
    return found[at] ?? keptOf({ error }, group, tasks[at]);
  });
  if (found.every((one) => one === undefined))
    requireSome(all.map(({ error }) => ({ error: error ?? NO_GROUPS })));
  return { groups: [...all, ...rests], totals: sums, warnings: [] };
}

const NOTHING: ForecastSeries = { values: [], period: 1 };
const NO_GROUPS = { code: 'too_little_history', message: 'The range has no groups.' };

interface Whole {
  readonly total: GroupHistory;
  readonly hierarchy: Hierarchy<ForecastTask>;
  readonly parts: readonly GroupHistory[];
  /** Of the parts among all groups; what is left besides is the last part. */
  readonly places: readonly number[];
}

/** A total with its groups, and with what is left beside them; undefined where that cannot be forecast. */
function wholeOf(
  total: GroupHistory,
  groups: readonly GroupHistory[],
  tasks: readonly ForecastTask[],
  taskOf: TaskMaker,
): Whole | undefined {
  const places = groups.flatMap((group, at) =>
    isPartOf(total, group) && forecastProblem(tasks[at]?.series ?? NOTHING) === undefined ? [at] : [],
  );
  const parts = places.flatMap((at) => groups[at] ?? []);
  const left = total.values.map((value, at) =>
    parts.reduce((rest, { values }) => rest - (values[at] ?? 0), value ?? 0),
  );
  const size = Math.max(1, ...total.values.map((value) => Math.abs(value ?? 0)));
  const isAll = left.every((value) => Math.abs(value) <= EQUAL * size);
  const currency = total.key.currency === undefined ? {} : { currency: total.key.currency };
  const all = isAll ? parts : [...parts, { key: currency, values: left }];
  const series = all.map((part, at) => {
    const task = taskOf(part);
    // What is left may have begun just now: nothing was there before, and that is known.
    const isNew = at === parts.length && forecastProblem(task.series) !== undefined;
    return isNew ? taskOf(part, true) : task;
  });
  const whole = taskOf({ ...total, values: demandOfTotal(total, series) });
  if ([whole, ...series].some((task) => forecastProblem(task.series) !== undefined)) return undefined;
  return { total, parts: all, places, hierarchy: { total: whole, groups: series } };
}
const EQUAL = 1e-9;

/** What the total would have been if no part had been sold out: its other parts sold on meanwhile. */
function demandOfTotal({ values }: GroupHistory, parts: readonly ForecastTask[]): GroupHistory['values'] {
  const found = [...values];
  for (const { series } of parts) {
    if (series.censored?.includes(true) !== true) continue;
    const before = values.length - series.values.length;
    for (const [step, demand] of demandOf(series).entries()) {
      const value = found[before + step] ?? null;
      if (value !== null) found[before + step] = value + (demand ?? 0) - (series.values[step] ?? 0);
    }
  }
  return found;
}

const keptOf = (
  outcome: ModelOutcome<'forecast'>,
  group: GroupHistory | undefined,
  task: ForecastTask | undefined,
): KeptGroup => {
  const { values, period } = task?.series ?? NOTHING;
  return keptGroup(outcome, group?.key ?? {}, scaleOf(values, period));
};

function requireSome(outcomes: readonly ModelOutcome<'forecast'>[]): void {
  if (outcomes.some((outcome) => 'result' in outcome)) return;
  const [first] = outcomes;
  const why = first !== undefined && 'error' in first ? first.error.message : 'The range has no groups.';
  throw new QueryError('not_enough_data', `There is nothing to forecast from. ${why}`);
}
