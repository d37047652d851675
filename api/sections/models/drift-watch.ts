import { findMetric, type KpiQuery, type KpiResult } from '../../../analytics/index.ts';
import { asMillraceError, type MetricSample, Metrics } from '../../../engine/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, runQuery, wishOf } from '../../answers/index.ts';
import { Looking } from '../jobs/index.ts';
import { isWhole } from './forecast-history.ts';
import { historyQuery, totalQuery } from './forecast-queries.ts';
import type { ModelContents } from './model-contents.ts';
import type { ForecastContent, ModelBody } from './model-schema.ts';
import type { ModelVersions } from './model-versions.ts';

/** How often promoted models are looked at, and how long what was found is shown, ms. */
const LOOK_MS = 60_000;
const KEPT_MS = 600_000;
/** Complete steps since the training from which drift is told. */
const MIN_STEPS = 5;
/** Recent errors beyond so many times those of the back-test are drift. */
const DRIFT_FACTOR = 1.5;
const QUERY_DEADLINE_MS = 10_000;

export interface Drift {
  /** Steps and groups that came since the training. */
  readonly compared: number;
  /** Mean error ÷ mean change from the season before; null: nothing to compare yet. */
  readonly mase: number | null;
  readonly mase_back_test: number | null;
  /** Share of the values that lie in the 95 % interval. */
  readonly in_95: number | null;
  readonly is_drifting: boolean;
}

interface DriftParts {
  readonly answers: AnswerParts;
  readonly versions: ModelVersions;
  readonly contents: ModelContents;
}

type Model = Definition<ModelBody>;

/** What came since a forecast, against what it said. */
export class DriftWatch {
  readonly #parts: DriftParts;
  readonly #found = new Map<
    string,
    { readonly model: Model; readonly drift: Drift; readonly at_ms: number }
  >();
  readonly #metrics = new Metrics();
  readonly #looking = new Looking(() => this.#look(), LOOK_MS);

  constructor(parts: DriftParts) {
    this.#parts = parts;
    const what = 'Promoted forecasts whose recent errors are beyond 1.5 times those of their back-test';
    this.#metrics.gauge('millrace.models.drifting', what, () => this.drifting);
  }

  start(): void {
    this.#looking.start();
  }

  close(): Promise<void> {
    return this.#looking.close();
  }

  /** Promoted forecasts that drift, as they were last looked at. */
  get drifting(): number {
    const { versions } = this.#parts;
    return [...this.#found.values()].filter(
      ({ model, drift }) => drift.is_drifting && versions.isPromoted(model),
    ).length;
  }

  /** As it was last looked at; null: it has not been. */
  lastOf({ id }: Model): boolean | null {
    return this.#found.get(id)?.drift.is_drifting ?? null;
  }

  /** null: the model is no forecast, or not trained. Throws what a query does. */
  async of(model: Model): Promise<Drift | null> {
    const { trained } = model.body;
    if (model.body.type !== 'demand_forecast' || trained === null) return null;
    const now_ms = this.#parts.answers.ports.clock.now();
    const known = this.#found.get(model.id);
    if (known !== undefined && now_ms - known.at_ms < KEPT_MS) return known.drift;
    const content = await this.#parts.contents.get(trained);
    if (content.kind !== 'forecast') return null;
    const drift = await this.#compare(model, content);
    this.#found.set(model.id, { model, drift, at_ms: now_ms });
    return drift;
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  async #compare(model: Model, content: ForecastContent): Promise<Drift> {
    const { answers } = this.#parts;
    const { queries, custom } = analyticsOf(answers.ports.settings);
    const { clock } = answers.ports;
    const [start] = content.times;
    const now_ms = Math.floor(clock.now() / LOOK_MS) * LOOK_MS;
    if (start === undefined || Date.parse(start) >= now_ms) return NOTHING;
    const query = { ...historyQuery(model.body, custom), start, end: new Date(now_ms).toISOString() };
    const asker = {
      request: { signal: AbortSignal.timeout(QUERY_DEADLINE_MS) },
      ...{ tenant: model.tenant, principal: { key_id: model.created_by } },
    };
    const run = async (asked: KpiQuery): Promise<KpiResult> => {
      const wish = { wish: wishOf({}), deadline_ms: QUERY_DEADLINE_MS };
      return (await runQuery(answers, asker, queries.kpis, asked, wish)).answer;
    };
    const answer = await run(query);
    // Where nothing has come at all, the whole still has the steps.
    const { groups } = answer.groups.length > 0 ? answer : await run(totalQuery(query));
    const whole = new Set(groups[0]?.buckets.filter(isWhole).map(({ time }) => time));
    return driftOf(content, new Actual(answer, query, String(model.body.dataset.metric), whole));
  }

  async #look(): Promise<void> {
    const { versions, answers } = this.#parts;
    const known = new Set<string>();
    for (const tenant of versions.definitions.tenants()) {
      for (const model of versions.definitions.list(tenant)) {
        known.add(model.id);
        if (!versions.isPromoted(model)) continue;
        try {
          await this.of(model);
        } catch (error) {
          const { code } = asMillraceError(error);
          answers.ports.log.debug({ model: model.id, code }, 'the drift of a model could not be looked at');
        }
      }
    }
    for (const id of this.#found.keys()) if (!known.has(id)) this.#found.delete(id);
  }
}

const NOTHING: Drift = { compared: 0, mase: null, mase_back_test: null, in_95: null, is_drifting: false };

const keyOf = (key: Readonly<Record<string, string | null>>): string =>
  JSON.stringify(Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What came of each group of a forecast. */
class Actual {
  readonly #values = new Map<string, ReadonlyMap<string, number>>();
  readonly #whole: ReadonlySet<string>;
  readonly #isSum: boolean;
  readonly #isTruncated: boolean;
  readonly #byCurrency: boolean;
  readonly #isSplit: boolean;

  /** `whole` are the starts of the complete steps. */
  constructor(answer: KpiResult, { group_by }: KpiQuery, metric: string, whole: ReadonlySet<string>) {
    this.#whole = whole;
    this.#isSum = findMetric(metric)?.formula.kind === 'sum';
    this.#isTruncated = answer.truncated;
    this.#byCurrency = group_by.includes('currency');
    this.#isSplit = !this.#byCurrency && answer.groups.some(({ key }) => key.currency !== undefined);
    for (const { key, buckets } of answer.groups) {
      const values = buckets
        .filter(isWhole)
        .map((bucket) => [bucket.time, Number(bucket[metric] ?? 0)] as const);
      this.#values.set(keyOf(key), new Map(values));
      // Groups are told apart by currency only while there are several.
      if (!this.#byCurrency && !this.#isSplit)
        this.#values.set(keyOf({ ...key, currency: answer.currency ?? null }), new Map(values));
    }
  }

  /** undefined: not known. A group that is no more had nothing, where nothing is 0 and no group was left out. */
  of(key: Readonly<Record<string, string | null>>, time: string): number | undefined {
    const values = this.#values.get(keyOf(key));
    if (values !== undefined) return values.get(time);
    const isOther = this.#isSplit && key.currency === undefined;
    return this.#isSum && !this.#isTruncated && !isOther && this.#whole.has(time) ? 0 : undefined;
  }
}

function driftOf({ groups, times }: ForecastContent, actual: Actual): Drift {
  let [errors, tested, compared, inside, most] = [0, 0, 0, 0, 0];
  for (const { key, points, scale, back_test } of groups) {
    if (scale === null || back_test?.mase === null || back_test === null) continue;
    let own = 0;
    for (const [at, time] of times.entries()) {
      const [mean = 0, , , lower = 0, upper = 0] = points[at] ?? [];
      const value = actual.of(key, time);
      if (value === undefined) continue;
      errors += Math.abs(value - mean) / scale;
      tested += back_test.mase;
      inside += Number(value >= lower && value <= upper);
      own++;
    }
    compared += own;
    most = Math.max(most, own);
  }
  if (compared === 0) return NOTHING;
  const digits = (value: number): number => Number(value.toPrecision(4));
  const [mase, mase_back_test] = [digits(errors / compared), digits(tested / compared)];
  const is_drifting = most >= MIN_STEPS && mase > DRIFT_FACTOR * mase_back_test;
  return { compared, mase, mase_back_test, in_95: digits(inside / compared), is_drifting };
}
