import { type AnswerMeta, useAnswer } from '../../api/index.ts';
import {
  Chart,
  Empty,
  Fields,
  formatBucket,
  formatValue,
  Input,
  Select,
  Tile,
  useWidth,
} from '../../parts/index.ts';
import { headOf, place, range, setParams, zone } from '../../state/index.ts';

interface Cohort {
  readonly cohort: string | null;
  readonly key?: Readonly<Record<string, string | null>>;
  readonly size: number;
  readonly periods: readonly {
    readonly period: number;
    readonly returned: number | null;
    readonly retention: number | null;
    readonly incomplete?: boolean;
  }[];
}

interface RetentionAnswer {
  readonly bucket: string;
  readonly period: string;
  readonly cohorts: readonly Cohort[];
  readonly means: readonly { readonly period: number; readonly weighted: number | null }[];
  readonly size: number;
  readonly meta: AnswerMeta;
}

const [CELL_MIN_WIDTH, CELL_MAX_WIDTH] = [58, 110];
const CELL_HEIGHT = 30;
const HEAD_WIDTH = 170;

/** How many of those who began come again: by cohort as a heat map, and all together as a curve. */
export function Retention() {
  const { params } = place.value;
  const bucket = params.bucket ?? 'week';
  const period = params.period ?? 'week';
  const event = params.event ?? 'order.created';
  const request = {
    path: '/cohorts/adhoc-retention',
    body: {
      ...headOf(range.value),
      criteria: { type: 'event', start: { event }, mode: 'first_time', bucket },
      return: { event: params.again ?? event },
      ...{ period, periods: 12 },
    },
  };
  const answer = useAnswer<RetentionAnswer>(request);
  return (
    <div class="grid">
      <Tile title="Who, and what counts as coming again">
        <Fields>
          <Input title="First event" value={event} change={(value) => setParams({ event: value })} />
          <Input
            title="Comes again with"
            value={params.again ?? event}
            change={(value) => setParams({ again: value })}
          />
          <Select
            title="Cohorts by"
            value={bucket}
            options={PERIODS}
            choose={(value) => setParams({ bucket: value })}
          />
          <Select
            title="Periods of a"
            value={period}
            options={PERIODS}
            choose={(value) => setParams({ period: value })}
          />
        </Fields>
      </Tile>
      <Tile
        title="Cohorts"
        answer={answer}
        request={request}
        hasPicture
        sheet={({ cohorts }) => ({
          columns: ['cohort', 'size', 'period', 'returned', 'retention_percent'],
          rows: cohorts.flatMap(({ cohort, size, periods }) =>
            periods.map((one) => [cohort, size, one.period, one.returned, one.retention]),
          ),
        })}
      >
        {({ cohorts }) =>
          cohorts.length === 0 ? (
            <Empty>Nobody began in this range with this event.</Empty>
          ) : (
            <HeatMap cohorts={cohorts} bucket={bucket} />
          )
        }
      </Tile>
      <Tile
        title="All cohorts together"
        answer={answer}
        request={request}
        hasPicture
        sheet={({ means }) => ({
          columns: ['period', 'retention_percent'],
          rows: means.map(({ period: at, weighted }) => [at, weighted]),
        })}
      >
        {({ means }) => <Curve means={means} period={period} />}
      </Tile>
    </div>
  );
}

const PERIODS = [
  ['day', 'day'],
  ['week', 'week'],
  ['month', 'month'],
] as const;

/** Periods that any cohort has reached. */
const periodsOf = (cohorts: readonly Cohort[]): number =>
  Math.max(
    1,
    ...cohorts.map(({ periods }) => periods.findLastIndex(({ retention }) => retention !== null) + 1),
  );

function HeatMap({ cohorts, bucket }: { readonly cohorts: readonly Cohort[]; readonly bucket: string }) {
  const { element, width } = useWidth<HTMLElement>();
  const columns = periodsOf(cohorts);
  const cell = Math.min(CELL_MAX_WIDTH, Math.max(CELL_MIN_WIDTH, (width - HEAD_WIDTH) / columns));
  const granularity = bucket === 'month' ? '1M' : '1d';
  const nameOf = ({ cohort }: Cohort): string =>
    cohort === null ? 'All' : formatBucket(cohort, zone.value, granularity);
  return (
    <section class="scroll" tabindex={0} aria-label="Heat map of cohorts" ref={element}>
      <svg
        class="picture heat"
        width={HEAD_WIDTH + columns * cell}
        height={(cohorts.length + 1) * CELL_HEIGHT}
        role="img"
      >
        <title>
          {cohorts
            .map(
              (one) => `${nameOf(one)}: ${one.periods.map(({ retention }) => retention ?? '–').join(', ')}`,
            )
            .join('; ')}
        </title>
        {Array.from({ length: columns }, (_, at) => (
          <text
            key={String(at)}
            class="quiet"
            x={HEAD_WIDTH + at * cell + cell / 2}
            y={20}
            text-anchor="middle"
          >
            {at}
          </text>
        ))}
        {cohorts.map((one, row) => (
          <g key={`${one.cohort}`}>
            <text x={0} y={(row + 1) * CELL_HEIGHT + 20}>
              {nameOf(one)}
              <tspan class="quiet"> {formatValue(one.size, 'count')}</tspan>
            </text>
            {one.periods.map(({ period, retention, incomplete }) =>
              retention === null ? null : (
                <g key={period} class={incomplete === true ? 'open' : ''}>
                  <rect
                    x={HEAD_WIDTH + period * cell + 1}
                    y={(row + 1) * CELL_HEIGHT + 1}
                    width={cell - 2}
                    height={CELL_HEIGHT - 2}
                    rx="4"
                    fill-opacity={0.06 + (retention / 100) * 0.5}
                  />
                  <text
                    x={HEAD_WIDTH + period * cell + cell / 2}
                    y={(row + 1) * CELL_HEIGHT + 20}
                    text-anchor="middle"
                  >
                    {formatValue(retention, 'percent')}
                    {incomplete === true ? '*' : ''}
                  </text>
                </g>
              ),
            )}
          </g>
        ))}
      </svg>
      <p class="hint">* The period is not over for all of the cohort.</p>
    </section>
  );
}

function Curve({ means, period }: { readonly means: RetentionAnswer['means']; readonly period: string }) {
  if (means.every(({ weighted }) => weighted === null)) {
    return <Empty>No period is over for a whole cohort yet. Choose a longer range or shorter periods.</Empty>;
  }
  const known = means.slice(0, means.findLastIndex(({ weighted }) => weighted !== null) + 1);
  return (
    <Chart
      label="Mean retention by period"
      zone="UTC"
      times={known.map(({ period: at }) => at)}
      series={[{ label: 'Came again', unit: 'percent', values: known.map(({ weighted }) => weighted) }]}
      place={(at) => `${period} ${at}`}
    />
  );
}
