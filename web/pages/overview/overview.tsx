import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type KpiAnswer, keyText, metricIn, type SummaryAnswer, useMetrics } from '../../answers/index.ts';
import { useAnswer, useLive } from '../../api/index.ts';
import {
  type Bar,
  Bars,
  Chart,
  Empty,
  Figure,
  formatTime,
  formatValue,
  Select,
  type Sheet,
  Tile,
} from '../../parts/index.ts';
import { addressOf, granularityFor, headOf, range, zone } from '../../state/index.ts';

/** Metrics of the first row; of several currencies the money stands under each. */
const COUNTS = ['orders_count', 'customers_active', 'customers_new', 'conversion_rate'] as const;
const MONEY = ['revenue_gross', 'revenue_net', 'aov', 'refund_amount'] as const;
/** Answers are asked for again at most so often while events come in, ms. */
const AGAIN_MS = 2_000;

const IS_BAD_UP: ReadonlySet<string> = new Set(['refund_amount', 'refund_rate']);

function sheetOfSummary({ kpis, currencies }: SummaryAnswer): Sheet {
  const rows = [
    ...Object.entries(kpis).map(([name, one]) => [name, '', one.current, one.previous] as const),
    ...currencies.flatMap(({ currency, kpis: own }) =>
      Object.entries(own).map(([name, one]) => [name, currency, one.current, one.previous] as const),
    ),
  ];
  return { columns: ['metric', 'currency', 'current', 'previous'], rows };
}

/** The range against the span before it, by day and by where it comes from; live. */
export function Overview() {
  const { metrics } = useMetrics();
  const by = useSignal('country');
  const { start, end } = range.value;
  const granularity = granularityFor(range.value);
  const summed = {
    path: '/kpis/summary',
    params: { start, end, timezone: zone.value, metrics: [...COUNTS, ...MONEY].join(',') },
  };
  const summary = useAnswer<SummaryAnswer>(summed);
  const currency = summary.data?.currencies[0]?.currency;
  const head = { ...headOf(range.value), ...(currency === undefined ? {} : { currency }) };
  // Without a currency there is no money to add up.
  const metric = currency === undefined ? 'orders_count' : 'revenue_gross';
  const daily = {
    path: '/kpis/query',
    body: { ...head, metrics: [metric, 'orders_count'], granularity, compare: 'previous_period' },
  };
  const grouped = {
    path: '/kpis/query',
    body: {
      ...{ ...head, metrics: [metric], group_by: [by.value], limit: 8, other: true },
      order_by: { metric, direction: 'desc' },
    },
  };
  const isKnown = summary.data !== undefined;
  const series = useAnswer<KpiAnswer>(isKnown ? daily : null);
  const groups = useAnswer<KpiAnswer>(isKnown ? grouped : null);
  const connection = useLiveAnswers(() => {
    for (const answer of [summary, series, groups]) answer.again();
  });
  const unit = metrics.get(metric)?.unit ?? 'count';
  const title = metrics.get(metric)?.title ?? metric;
  return (
    <div class="grid">
      <Tile
        title="Key figures"
        answer={summary}
        request={summed}
        sheet={sheetOfSummary}
        actions={<Live {...connection} />}
      >
        {(data) => <Figures data={data} metrics={metrics} />}
      </Tile>
      <Tile
        title={`${title} over time`}
        answer={series}
        request={daily}
        hasPicture
        span={8}
        sheet={(data) => sheetOfBuckets(data, [metric, 'orders_count'])}
      >
        {(data) => (
          <OverTime data={data} metric={metric} unit={unit} title={title} granularity={granularity} />
        )}
      </Tile>
      <Tile
        title={`${title} by`}
        answer={groups}
        request={grouped}
        span={4}
        sheet={(data) => ({
          columns: [by.value, metric],
          rows: data.groups.map(({ key, totals }) => [keyText(key), totals[metric]]),
        })}
        actions={
          <Select
            title="Group by"
            value={by.value}
            options={[
              ['country', 'Country'],
              ['channel', 'Channel'],
              ['campaign', 'Campaign'],
              ['sku', 'Product'],
              ['payment_method', 'Payment method'],
            ]}
            choose={(value) => {
              by.value = value;
            }}
          />
        }
      >
        {(data) => (
          <Bars
            label={`${title} by ${by.value}`}
            bars={data.groups.map(
              ({ key, totals }): Bar => ({
                key: keyText(key),
                title: keyText(key),
                value: totals[metric] ?? 0,
                text: formatValue(totals[metric], unit, data.currency),
                href: addressOf('/explore', { metric, by: by.value }),
              }),
            )}
          />
        )}
      </Tile>
    </div>
  );
}

/** Asks again when the service says that events were counted. */
function useLiveAnswers(again: () => void): { readonly isOpen: boolean; readonly newest: string | null } {
  const isOpen = useSignal(false);
  const newest = useSignal<string | null>(null);
  const asked_ms = useSignal(0);
  const seen = useSignal<number | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const latest = useRef(again);
  latest.current = again;
  useEffect(() => () => clearTimeout(timer.current), []);
  useLive(
    { path: '/position/stream' },
    ({ data }) => {
      const { sequence, watermark } = data as {
        readonly sequence: number;
        readonly watermark: string | null;
      };
      newest.value = watermark;
      const isFirst = seen.value === null;
      const isNew = seen.value !== sequence;
      seen.value = sequence;
      if (isFirst || !isNew || timer.current !== undefined) return;
      // One that comes soon after another waits its turn, and takes those between with it.
      const wait_ms = Math.max(0, asked_ms.value + AGAIN_MS - Date.now());
      timer.current = setTimeout(() => {
        timer.current = undefined;
        asked_ms.value = Date.now();
        latest.current();
      }, wait_ms);
    },
    (is) => {
      isOpen.value = is;
    },
  );
  return { isOpen: isOpen.value, newest: newest.value };
}

function Live({ isOpen, newest }: { readonly isOpen: boolean; readonly newest: string | null }) {
  return (
    <span class={`live ${isOpen ? 'on' : 'off'}`} role="status">
      {isOpen ? 'live' : 'not connected, coming again'}
      {newest !== null && ` · events until ${formatTime(newest, zone.value, true)}`}
    </span>
  );
}

function Figures({
  data,
  metrics,
}: {
  readonly data: SummaryAnswer;
  readonly metrics: ReturnType<typeof useMetrics>['metrics'];
}) {
  const counted = Object.values(data.kpis).some(({ current }) => (current ?? 0) > 0);
  if (!counted && data.currencies.length === 0) return <NoEvents />;
  const figure = (name: string, currency: string | null) => {
    const one = (
      currency === null ? data.kpis : data.currencies.find((own) => own.currency === currency)?.kpis
    )?.[name];
    const metric = metrics.get(name);
    return (
      <Figure
        key={`${name} ${currency}`}
        title={metric?.title ?? name}
        unit={metric?.unit ?? 'number'}
        value={one?.current}
        previous={one?.previous ?? null}
        change_pct={one?.delta_pct ?? null}
        currency={currency}
        isBadUp={IS_BAD_UP.has(name)}
      />
    );
  };
  return (
    <>
      <div class="figures">{COUNTS.map((name) => figure(name, null))}</div>
      {data.currencies.map(({ currency }) => (
        <div key={currency} class="figures">
          {MONEY.map((name) => figure(name, currency))}
        </div>
      ))}
    </>
  );
}

function NoEvents() {
  const event = {
    ...{ event_id: 'first-1', type: 'order.created', order_id: 'o-1', customer_id: 'c-1' },
    ...{
      timestamp: new Date().toISOString().slice(0, 19).concat('Z'),
      amount: 4_990,
      currency: 'EUR',
      country: 'DE',
    },
  };
  const line =
    `curl -s ${location.origin}/v1/order-analytics/ingest -H "Authorization: Bearer $KEY" ` +
    `-H 'Content-Type: application/json' -d '${JSON.stringify(event)}'`;
  return (
    <Empty line={line}>
      No events lie in this range. Choose another, or send one; it shows here within a second. Money is in
      minor units.
    </Empty>
  );
}

interface OverTimeProps {
  readonly data: KpiAnswer;
  readonly metric: string;
  readonly unit: string;
  readonly title: string;
  readonly granularity: string;
}

function OverTime({ data, metric, unit, title }: OverTimeProps) {
  const buckets = data.groups[0]?.buckets ?? [];
  const times = buckets.map(({ time }) => Date.parse(time) / 1_000);
  const of = { unit, currency: data.currency ?? null };
  return (
    <Chart
      label={`${title} over time, beside the span before`}
      zone={zone.value}
      times={times}
      series={[
        { ...of, label: title, values: buckets.map((bucket) => metricIn(bucket, metric)) },
        {
          ...{ ...of, label: 'Before', colour: 8, isDashed: true },
          values: buckets.map(({ previous }) => metricIn(previous, metric)),
        },
      ]}
    />
  );
}

function sheetOfBuckets(data: KpiAnswer, names: readonly string[]): Sheet {
  const buckets = data.groups[0]?.buckets ?? [];
  return {
    columns: ['time', ...names],
    rows: buckets.map((bucket) => [bucket.time, ...names.map((name) => metricIn(bucket, name))]),
  };
}
