import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { type KpiAnswer, keyText, metricIn, metricOptions, useMetrics } from '../../answers/index.ts';
import { type Answered, type AnswerMeta, may, useAnswer } from '../../api/index.ts';
import {
  Chart,
  Empty,
  Fields,
  Form,
  formatValue,
  Input,
  Problem,
  type Reserve,
  reservedHeight,
  Select,
  Tile,
  useAction,
  Waiting,
} from '../../parts/index.ts';
import { headOf, place, range, setParams, zone } from '../../state/index.ts';
import { WhatIf } from './what-if.tsx';

interface Model {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly version: number;
  readonly status: string;
  readonly promoted: boolean;
  readonly dataset: {
    readonly metric?: string;
    readonly granularity?: string;
    readonly currency?: string;
    readonly group_by?: readonly string[];
    readonly filters?: Readonly<Record<string, unknown>>;
  };
}

interface Prediction {
  readonly metric?: string;
  readonly method?: string;
  readonly assumptions: readonly string[];
  readonly groups?: readonly {
    readonly key: Readonly<Record<string, string | null>>;
    readonly back_test: {
      readonly smape: number;
      readonly mase: number;
      readonly beats_naive: boolean;
    } | null;
    readonly warnings: readonly string[];
    readonly points: readonly {
      readonly time: string;
      readonly mean: number;
      readonly lower_95: number;
      readonly upper_95: number;
    }[];
  }[];
  readonly meta?: AnswerMeta;
}

/** Groups of the past that are asked for: as many as a model may have on a page. */
const GROUPS_MAX = 1_000;

const RESERVE: Reserve = [402, 379];

/** What will probably come, with intervals, and what would change it. */
export function Forecast() {
  const request = { path: '/models', params: { limit: 100 } };
  const models = useAnswer<{ readonly models: readonly Model[] }>(request);
  const forecasts = (models.data?.models ?? []).filter(({ type }) => type === 'demand_forecast');
  const wanted = place.value.params.model;
  const model =
    forecasts.find(({ id }) => id === wanted) ??
    forecasts.find(({ status }) => status === 'ready') ??
    forecasts[0];
  const which = forecasts.length > 0 && (
    <Select
      title="Model"
      value={model?.id ?? ''}
      options={forecasts.map(({ id, name, version }) => [id, `${name}, version ${version}`] as const)}
      choose={(value) => setParams({ model: value })}
    />
  );
  return (
    <div class="grid">
      {model?.status === 'ready' ? (
        <Predicted key={model.id} model={model} which={which} />
      ) : (
        <Tile title="Forecast" reserve={RESERVE} answer={models} request={request} actions={which}>
          {model === undefined ? (
            <Empty>No forecast was trained yet. Train one below.</Empty>
          ) : (
            <Empty>The model is {model.status}. Reports and jobs show how far it is.</Empty>
          )}
        </Tile>
      )}
      {may('definitions:write') && <Train done={models.again} />}
      <WhatIf />
    </div>
  );
}

interface PredictedProps {
  readonly model: Model;
  /** Chooses another. */
  readonly which: ComponentChildren;
}

/** What was and what is expected, of a model that is trained. */
function Predicted({ model, which }: PredictedProps) {
  const {
    metric = 'orders_count',
    granularity = '1d',
    currency,
    group_by = [],
    filters = {},
  } = model.dataset;
  const request = { path: `/models/${model.id}/predict`, body: {} };
  const future = useAnswer<Prediction>(request);
  const past = useAnswer<KpiAnswer>({
    path: '/kpis/query',
    body: {
      ...headOf(range.value),
      metrics: [metric],
      granularity,
      ...{ group_by, filters, ...(group_by.length === 0 ? {} : { limit: GROUPS_MAX }) },
      ...(currency === undefined ? {} : { currency }),
    },
  });
  return (
    <Tile
      title="Forecast"
      reserve={RESERVE}
      answer={future}
      request={request}
      hasPicture
      actions={which}
      sheet={({ groups = [] }) => ({
        columns: ['group', 'time', 'mean', 'lower_95', 'upper_95'],
        rows: groups.flatMap(({ key, points }) =>
          points.map((one) => [keyText(key), one.time, one.mean, one.lower_95, one.upper_95]),
        ),
      })}
    >
      {(data) => <Course future={data} past={past} metric={metric} />}
    </Tile>
  );
}

interface CourseProps {
  readonly future: Prediction;
  readonly past: Answered<KpiAnswer>;
  readonly metric: string;
}

function Course({ future, past, metric }: CourseProps) {
  const { metrics } = useMetrics();
  if (past.problem !== undefined) return <Problem problem={past.problem} again={past.again} />;
  const { groups = [] } = future;
  const group = groups.find(({ key }) => keyText(key) === place.value.params.group) ?? groups[0];
  if (group === undefined) return <Empty>The model expects nothing.</Empty>;
  if (past.data === undefined)
    return <Waiting label="What was is loading" height_px={reservedHeight(RESERVE)} />;
  // What was and what is expected are of the same group, or nothing of what was is shown.
  const buckets = past.data.groups.find(({ key }) => keyText(key) === keyText(group.key))?.buckets ?? [];
  const begins = Date.parse(group.points[0]?.time ?? '');
  const known = buckets.filter(({ time }) => Date.parse(time) < begins);
  const blank = known.map(() => null);
  const of = { unit: metrics.get(metric)?.unit ?? 'number', currency: past.data.currency ?? null };
  const { back_test, warnings, points } = group;
  return (
    <>
      {groups.length > 1 && (
        <Select
          title="Group"
          value={keyText(group.key)}
          options={groups.map(({ key }) => [keyText(key), keyText(key)] as const)}
          choose={(value) => setParams({ group: value })}
        />
      )}
      <Chart
        label={`${metric}: what was and what is expected, with the interval of 95 %`}
        zone={zone.value}
        times={[...known, ...points].map(({ time }) => Date.parse(String(time)) / 1_000)}
        series={[
          {
            ...of,
            label: 'Was',
            values: [...known.map((one) => metricIn(one, metric)), ...points.map(() => null)],
          },
          {
            ...{ ...of, label: 'Expected', colour: 2, isDashed: true },
            values: [...blank, ...points.map(({ mean }) => mean)],
            band: {
              low: [...blank, ...points.map(({ lower_95 }) => lower_95)],
              high: [...blank, ...points.map(({ upper_95 }) => upper_95)],
            },
          },
        ]}
      />
      {back_test !== null && (
        <p>
          In the back-test it was off by {formatValue(back_test.smape, 'percent')} (sMAPE), MASE{' '}
          {formatValue(back_test.mase)};{' '}
          {back_test.beats_naive ? 'it beats the last value again' : 'it does not beat the last value again'}.
        </p>
      )}
      <ul class="plain-list">
        {[...(future.assumptions ?? []), ...warnings].map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
    </>
  );
}

function Train({ done }: { readonly done: () => void }) {
  const { metrics } = useMetrics();
  const [metric, name] = [useSignal('orders_count'), useSignal('')];
  const action = useAction<{ readonly job_id: string }>();
  const said = useSignal('');
  const train = async (): Promise<void> => {
    const { start, end, timezone } = headOf(range.value);
    const dataset = { metric: metric.value, start, end, timezone, granularity: '1d' };
    const body = { type: 'demand_forecast', name: name.value || `Forecast of ${metric.value}`, dataset };
    const job = await action.run({ path: '/models/train', body });
    if (job === undefined) return;
    said.value = `Begun as ${job.job_id}.`;
    done();
  };
  return (
    <Tile title="Train a forecast on the range">
      <Form act="Train" action={action} send={train}>
        <Fields>
          <Select
            title="Metric"
            value={metric.value}
            options={metricOptions(metrics)}
            choose={(value) => {
              metric.value = value;
            }}
          />
          <Input
            title="Name"
            value={name.value}
            change={(value) => {
              name.value = value;
            }}
          />
        </Fields>
        <span role="status">{said.value}</span>
      </Form>
    </Tile>
  );
}
