import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import {
  isOther,
  type KpiAnswer,
  keyText,
  metricIn,
  openSince,
  type SummaryAnswer,
  useMetrics,
} from '../../answers/index.ts';
import { useAnswer, useLive } from '../../api/index.ts';
import {
  type Bar,
  Bars,
  Chart,
  Empty,
  Figure,
  formatTime,
  formatValue,
  LiveSign,
  type Sheet,
  Tile,
} from '../../parts/index.ts';
import { granularityFor, headOf, place, range, setParams, zone } from '../../state/index.ts';

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

/** Dimensions of the lists below the curve, with their titles. */
const LISTS = [
  ['country', 'Country'],
  ['channel', 'Channel'],
  ['sku', 'Product'],
] as const;
const LIST_ROWS = 8;

/** The range against the span before it, by day and by where it comes from; live. A figure chooses what is drawn. */
export function Overview() {
  const { params } = place.value;
  const { metrics } = useMetrics();
  const { start, end } = range.value;
  const summed = {
    path: '/kpis/summary',
    params: { start, end, timezone: zone.value, metrics: [...COUNTS, ...MONEY].join(',') },
  };
  const summary = useAnswer<SummaryAnswer>(summed);
  const currencies = summary.data?.currencies ?? [];
  const chosen = currencies.find((one) => one.currency === params.currency) ?? currencies[0];
  // Without a currency there is no money to add up.
  const all: readonly string[] = chosen === undefined ? COUNTS : [...COUNTS, ...MONEY];
  const fallback = chosen === undefined ? 'orders_count' : 'revenue_gross';
  const metric = all.includes(params.metric ?? '') ? (params.metric ?? fallback) : fallback;
  const currency = chosen === undefined ? {} : { currency: chosen.currency };
  const head = { ...headOf(range.value), ...currency };
  const daily = {
    path: '/kpis/query',
    body: {
      ...{ ...head, metrics: [...new Set([metric, 'orders_count'])], compare: 'previous_period' },
      granularity: granularityFor(range.value),
    },
  };
  const series = useAnswer<KpiAnswer>(summary.data === undefined ? null : daily);
  const turn = useSignal(0);
  const connection = useLiveAnswers(() => {
    summary.again();
    series.again();
    turn.value++;
  });
  const unit = metrics.get(metric)?.unit ?? 'count';
  const title = metrics.get(metric)?.title ?? metric;
  return (
    <div class="grid">
      <Tile
        title="Key figures"
        reserve={[366, 184]}
        answer={summary}
        request={summed}
        sheet={sheetOfSummary}
        actions={<Live {...connection} />}
      >
        {(data) => (
          <Figures data={data} metrics={metrics} chosen={metric} currency={chosen?.currency ?? null} />
        )}
      </Tile>
      <Tile
        title={`${title} over time`}
        answer={series}
        request={daily}
        hasPicture
        sheet={(data) => sheetOfBuckets(data, [...new Set([metric, 'orders_count'])])}
      >
        {(data) => <OverTime data={data} metric={metric} unit={unit} title={title} />}
      </Tile>
      {summary.data !== undefined &&
        LISTS.map(([by, name]) => (
          <Most key={by} {...{ by, name, metric, unit, title, head }} turn={turn.value} />
        ))}
    </div>
  );
}

interface MostProps {
  readonly by: string;
  readonly name: string;
  readonly metric: string;
  readonly unit: string;
  readonly title: string;
  readonly head: ReturnType<typeof headOf>;
  /** Another number asks again. */
  readonly turn: number;
}

/** The values of a dimension that have the most of a metric. */
function Most({ by, name, metric, unit, title, head, turn }: MostProps) {
  const request = {
    path: '/kpis/query',
    body: {
      ...{ ...head, metrics: [metric], group_by: [by], limit: LIST_ROWS, other: true },
      order_by: { metric, direction: 'desc' },
    },
  };
  const answer = useAnswer<KpiAnswer>(request);
  useEffect(() => {
    if (turn > 0) answer.again();
  }, [turn]);
  return (
    <Tile
      title={`${title} by ${name.toLowerCase()}`}
      reserve={[245, 307]}
      answer={answer}
      request={request}
      span={4}
      sheet={(data) => ({
        columns: [by, metric],
        rows: data.groups.map(({ key, totals }) => [keyText(key), totals[metric]]),
      })}
    >
      {(data) =>
        data.groups.length === 0 ? (
          <Empty>No event of this range has one.</Empty>
        ) : (
          <Bars
            label={`${title} by ${by}`}
            bars={data.groups.map(
              ({ key, totals }): Bar => ({
                key: keyText(key),
                title: keyText(key),
                // What is left over is no part to be compared.
                value: isOther(key) ? 0 : (totals[metric] ?? 0),
                text: formatValue(totals[metric], unit, data.currency),
                to: ['/explore', { metric, by }],
              }),
            )}
          />
        )
      }
    </Tile>
  );
}

interface Connection {
  /** Undefined before it was open. */
  readonly isOpen: boolean | undefined;
  /** The watermark, as it was told last. */
  readonly newest: string | null;
}

/** Asks again when the service says that events were counted. */
function useLiveAnswers(again: () => void): Connection {
  const isOpen = useSignal<boolean | undefined>(undefined);
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

function Live({ isOpen, newest }: Connection) {
  return (
    <LiveSign isOpen={isOpen}>
      {newest !== null && <span> · events until {formatTime(newest, zone.value, true)}</span>}
    </LiveSign>
  );
}

interface FiguresProps {
  readonly data: SummaryAnswer;
  readonly metrics: ReturnType<typeof useMetrics>['metrics'];
  /** The metric that is drawn below, and the currency of its money. */
  readonly chosen: string;
  readonly currency: string | null;
}

function Figures({ data, metrics, chosen, currency: drawn }: FiguresProps) {
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
        isChosen={name === chosen && (currency === null || currency === drawn)}
        choose={() =>
          setParams(currency === null ? { metric: name } : { metric: name, currency }, { replace: true })
        }
      />
    );
  };
  return (
    <>
      <div class="figures choose">{COUNTS.map((name) => figure(name, null))}</div>
      {data.currencies.map(({ currency }) => (
        <div key={currency} class="figures choose">
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
      {...openSince(buckets)}
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
