import { useSignal } from '@preact/signals';
import {
  type Definition,
  Definitions,
  filtersOf,
  filtersText,
  type KpiAnswer,
  keyText,
  metricIn,
  metricOptions,
  openSince,
  useDimensions,
  useMetrics,
} from '../../answers/index.ts';
import { may, useAnswer } from '../../api/index.ts';
import {
  Chart,
  Check,
  type Column,
  Empty,
  Fields,
  formatChange,
  formatValue,
  Input,
  NameDialog,
  Select,
  type Series,
  type Sheet,
  Table,
  Tile,
  useAction,
} from '../../parts/index.ts';
import { GRANULARITIES, granularityFor, headOf, place, range, setParams, zone } from '../../state/index.ts';

import { METRIC, metricFields } from './metric-fields.ts';

/** Lines of a chart; the others are in the table. */
const LINES_MAX = 8;
const GROUPS_MAX = 50;

/** What the address asks: the address is the query. */
function queryOf(params: Readonly<Record<string, string>>) {
  const metric = params.metric ?? 'orders_count';
  const by = params.by ?? '';
  const granularity = params.granularity ?? granularityFor(range.value);
  const filters = filtersOf(params.filters ?? '');
  const body = {
    ...headOf(range.value),
    metrics: [metric],
    granularity,
    ...(by === '' ? {} : { group_by: [by], limit: GROUPS_MAX, order_by: { metric, direction: 'desc' } }),
    ...(Object.keys(filters).length === 0 ? {} : { filters }),
    ...(params.currency === undefined ? {} : { currency: params.currency }),
    ...(params.compare === 'previous_period' ? { compare: 'previous_period' } : {}),
  };
  return { metric, by, granularity, body };
}

/** Any metric by any dimension; the address is the query, and can be sent to somebody. */
export function Explore() {
  const { params } = place.value;
  const { metrics } = useMetrics();
  const dimensions = useDimensions();
  const { metric, by, granularity, body } = queryOf(params);
  const request = { path: '/kpis/query', body };
  const answer = useAnswer<KpiAnswer>(request);
  const isSaving = useSignal(false);
  const found = metrics.get(metric);
  const title = found?.title ?? metric;
  const unit = found?.unit ?? 'number';
  return (
    <div class="grid">
      <Tile title="Question">
        <Fields>
          <Select
            title="Metric"
            value={metric}
            options={metricOptions(metrics)}
            choose={(value) => setParams({ metric: value })}
          />
          <Select
            title="Group by"
            value={by}
            options={[['', 'Nothing'], ...dimensions]}
            choose={(value) => setParams({ by: value })}
          />
          <Select
            title="Every"
            value={granularity}
            options={Object.entries(GRANULARITIES)}
            choose={(value) => setParams({ granularity: value })}
          />
          <Input
            title="Currency"
            isShort
            value={params.currency ?? ''}
            placeholder="any"
            change={(value) => setParams({ currency: value.toUpperCase() })}
          />
          <Input
            title="Filters"
            isWide
            value={params.filters ?? ''}
            placeholder="country=DE,FR; channel!=email"
            change={(value) => setParams({ filters: value })}
          />
        </Fields>
        <div class="actions">
          <Check
            title="Compare with the span before"
            isOn={params.compare === 'previous_period'}
            turn={(isOn) => setParams({ compare: isOn ? 'previous_period' : '' })}
          />
          {may('definitions:write') && (
            <button
              type="button"
              onClick={() => {
                isSaving.value = true;
              }}
            >
              Save …
            </button>
          )}
        </div>
        <p class="hint about">
          {found?.description !== undefined && `Counts ${found.description.replaceAll('`', '')}`}
        </p>
      </Tile>
      <Tile
        title={title}
        answer={answer}
        request={request}
        hasPicture
        sheet={(data) => sheetOfGroups(data, metric)}
      >
        {(data) => <Result data={data} metric={metric} unit={unit} title={title} />}
      </Tile>
      <Definitions
        title="Metrics of your own"
        path="/metrics-catalog"
        member="metrics"
        seen="definitions:read"
        permission="definitions:write"
        none="None is defined. A metric of your own counts, adds up or divides events that you choose; it is answered from history at once."
        columns={[
          { title: 'Type', value: ({ type }) => String(type) },
          { title: 'Of', value: countedText },
          { title: 'Filters', value: ({ filters }) => filtersText(filters) },
        ]}
        template={METRIC}
        fields={metricFields(metricOptions(metrics))}
      />
      {isSaving.value && (
        <Save
          body={body}
          title={title}
          close={() => {
            isSaving.value = false;
          }}
        />
      )}
    </div>
  );
}

/** What a metric counts; of a ratio its two parts. */
function countedText({ event, numerator, denominator }: Definition): string {
  if (numerator === undefined) return [event ?? []].flat().join(', ');
  return [numerator, denominator]
    .map((part) =>
      typeof part === 'string' ? part : countedText({ ...(part as Definition), numerator: undefined }),
    )
    .join(' ÷ ');
}

interface ResultProps {
  readonly data: KpiAnswer;
  readonly metric: string;
  readonly unit: string;
  readonly title: string;
}

function Result({ data, metric, unit, title }: ResultProps) {
  const [first] = data.groups;
  if (first === undefined || first.buckets.length === 0)
    return <Empty>Nothing in this range has these filters.</Empty>;
  const of = { unit, currency: data.currency ?? null };
  const isCompared = first.previous_totals !== undefined;
  const times = first.buckets.map(({ time }) => Date.parse(time) / 1_000);
  const lines = data.groups.slice(0, LINES_MAX).map(
    ({ key, buckets }): Series => ({
      ...{ ...of, label: data.groups.length === 1 ? title : keyText(key) },
      values: buckets.map((bucket) => metricIn(bucket, metric)),
    }),
  );
  if (isCompared && data.groups.length === 1) {
    const values = first.buckets.map(({ previous }) => metricIn(previous, metric));
    lines.push({ ...of, label: 'Before', colour: 8, isDashed: true, values });
  }
  const columns: Column<KpiAnswer['groups'][number]>[] = [
    { title: 'Group', value: ({ key }) => keyText(key) },
    {
      ...{ title: 'Whole range', isNumber: true, hasBar: true, value: ({ totals }) => totals[metric] },
      show: ({ totals }) => formatValue(totals[metric], unit, data.currency),
    },
  ];
  if (isCompared) {
    columns.push(
      {
        ...{ title: 'Before', isNumber: true, value: ({ previous_totals }) => previous_totals?.[metric] },
        show: ({ previous_totals }) => formatValue(previous_totals?.[metric], unit, data.currency),
      },
      {
        ...{ title: 'Change', isNumber: true, value: ({ delta_pct }) => delta_pct?.[metric] },
        show: ({ delta_pct }) => formatChange(delta_pct?.[metric]),
      },
    );
  }
  return (
    <>
      <Chart
        label={`${title} over time`}
        zone={zone.value}
        times={times}
        series={lines}
        {...openSince(first.buckets)}
      />
      <Table
        label={`${title} by group`}
        columns={columns}
        rows={data.groups}
        keyOf={({ key }) => keyText(key)}
      />
      {data.truncated && (
        <p class="hint">
          {data.groups.length} of {data.groups_total} groups. Filter to see the others.
        </p>
      )}
    </>
  );
}

function sheetOfGroups({ groups, currency }: KpiAnswer, metric: string): Sheet {
  return {
    columns: ['group', 'time', metric, 'currency'],
    rows: groups.flatMap(({ key, buckets }) =>
      buckets.map((bucket) => [keyText(key), bucket.time, metricIn(bucket, metric), currency ?? '']),
    ),
  };
}

/** Keeps the question as a saved query, which dashboards and reports can name. */
function Save({
  body,
  title,
  close,
}: {
  readonly body: unknown;
  readonly title: string;
  readonly close: () => void;
}) {
  const action = useAction<{ readonly id: string }>();
  const send = async (name: string): Promise<void> => {
    const made = await action.run({ path: '/queries', body: { name, type: 'kpis', query: body } });
    if (made !== undefined) close();
  };
  return (
    <NameDialog title="Save the question" act="Save" name={title} action={action} send={send} close={close} />
  );
}
