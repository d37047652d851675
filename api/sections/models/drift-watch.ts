import { asMillraceError, type MetricSample, Metrics } from '../../../engine/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, runQuery, wishOf } from '../../answers/index.ts';
import { Looking } from '../jobs/index.ts';
import { historyQuery } from './forecast-queries.ts';
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
    const { answer } = await runQuery(answers, asker, queries.kpis, query, {
      wish: wishOf({}),
      deadline_ms: QUERY_DEADLINE_MS,
    });
    const actual = new Map<string, ReadonlyMap<string, number>>();
    for (const { key, buckets } of answer.groups) {
      const whole = buckets.filter(({ incomplete, partial }) => incomplete !== true && partial !== true);
      const values = whole.map(
        (bucket) => [bucket.time, Number(bucket[String(model.body.dataset.metric)] ?? 0)] as const,
      );
      actual.set(keyOf(key), new Map(values));
    }
    return driftOf(content, actual, answer.groups[0]?.buckets.length ?? 0);
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

function driftOf(
  { groups, times }: ForecastContent,
  actual: ReadonlyMap<string, ReadonlyMap<string, number>>,
  steps: number,
): Drift {
  let [errors, tested, compared, inside, most] = [0, 0, 0, 0, 0];
  for (const { key, points, scale, back_test } of groups) {
    if (scale === null || back_test?.mase === null || back_test === null) continue;
    const values = actual.get(keyOf(key));
    let own = 0;
    for (const [at, time] of times.slice(0, steps).entries()) {
      const [mean = 0, , , lower = 0, upper = 0] = points[at] ?? [];
      const value = values?.get(time);
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
