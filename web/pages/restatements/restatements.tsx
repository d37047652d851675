import { type Metric, useMetrics } from '../../answers/index.ts';
import { type AnswerMeta, useAnswer } from '../../api/index.ts';
import {
  type Column,
  Empty,
  Fields,
  Figure,
  formatBucket,
  formatValue,
  Input,
  Link,
  Select,
  sheetOf,
  Table,
  Tile,
} from '../../parts/index.ts';
import { place, range, setParams, zone } from '../../state/index.ts';

type Values = Readonly<Record<string, number>>;

interface Restated {
  readonly time: string;
  readonly currency?: string | null;
  readonly before: Values;
  readonly after: Values;
  readonly delta: Values;
  readonly causes_total: number;
  readonly causes: readonly { readonly event_id: string; readonly type: string }[];
}

interface Answer {
  readonly query_id: string;
  readonly restatements_total: number;
  readonly open_total: number;
  readonly restatements: readonly Restated[];
  readonly next_cursor: string | null;
  readonly meta: AnswerMeta;
}

const METRICS = 'orders_count,revenue_gross,revenue_net';
const [BUCKETS, CAUSES] = [50, 5];

/** A change of a bucket in one metric. */
interface Row extends Restated {
  readonly metric: string;
}

const rowsOf = (restatements: readonly Restated[]): readonly Row[] =>
  restatements.flatMap((one) =>
    Object.entries(one.delta)
      .filter(([, delta]) => delta !== 0)
      .map(([metric]) => ({ ...one, metric })),
  );

function columnsOf(metrics: ReadonlyMap<string, Metric>, granularity: string): readonly Column<Row>[] {
  const change = (of: 'before' | 'after' | 'delta', title: string): Column<Row> => ({
    ...{ title, isNumber: true, value: (row) => row[of][row.metric] },
    show: (row) => formatValue(row[of][row.metric], metrics.get(row.metric)?.unit, row.currency),
  });
  return [
    {
      ...{ title: 'Bucket', value: ({ time }) => time },
      show: ({ time }) => formatBucket(time, zone.value, granularity),
    },
    {
      ...{ title: 'Metric', value: ({ metric }) => metric },
      show: ({ metric }) => metrics.get(metric)?.title ?? metric,
    },
    change('before', 'Was'),
    change('after', 'Is'),
    change('delta', 'Change'),
    {
      ...{
        title: 'Because of',
        isWide: true,
        value: ({ causes }) => causes.map((one) => one.event_id).join(' '),
      },
      show: ({ causes, causes_total }) => (
        <>
          {causes.map(({ event_id, type }, at) => (
            <span key={event_id}>
              {at > 0 && ', '}
              <Link to="/events" params={{ id: event_id }}>
                {type}
              </Link>
            </span>
          ))}
          {causes_total > causes.length && ` and ${causes_total - causes.length} more`}
        </>
      ),
    },
  ];
}

/** What late events, edits and corrections changed of what had been told before. */
export function Restatements() {
  const { params } = place.value;
  const { since, metrics: asked = METRICS, granularity = '1d', cursor } = params;
  const { start, end } = range.value;
  const { metrics } = useMetrics();
  const span = { start, end, timezone: zone.value };
  const request =
    since === undefined
      ? null
      : {
          path: '/restatements',
          params: { since, ...span, metrics: asked, granularity, limit: BUCKETS, causes: CAUSES, cursor },
        };
  const answer = useAnswer<Answer>(request);
  const columns = columnsOf(metrics, granularity);
  return (
    <div class="grid">
      <Tile title="Since when">
        <Fields>
          <Input
            title="Earlier answer"
            isWide
            hint="Its query_id, its position, or the sequence of the stream at which it was made"
            value={since ?? ''}
            change={(value) => setParams({ since: value.trim(), cursor: undefined })}
          />
          <Input
            title="Metrics"
            isWide
            hint="Sums, with commas"
            value={asked}
            change={(value) => setParams({ metrics: value.replaceAll(' ', ''), cursor: undefined })}
          />
          <Select
            title="Buckets"
            value={granularity}
            options={[
              ['1h', 'hours'],
              ['1d', 'days'],
            ]}
            choose={(value) => setParams({ granularity: value, cursor: undefined })}
          />
        </Fields>
      </Tile>
      {request === null ? (
        <Tile title="What changed">
          <Empty>
            Every answer has a <code>query_id</code>. Give that of a report to see which of its days are
            others now, and because of which events.
          </Empty>
        </Tile>
      ) : (
        <Tile
          title="What changed"
          answer={answer}
          request={request}
          sheet={({ restatements }) => sheetOf(columns, rowsOf(restatements))}
        >
          {({ restatements, restatements_total, open_total, next_cursor }) => (
            <>
              <div class="figures">
                <Figure title="Buckets that changed" unit="count" value={restatements_total} />
                <Figure title="Changed, and not over then" unit="count" value={open_total} />
              </div>
              {restatements.length === 0 ? (
                <Empty>Nothing that was complete then is another now.</Empty>
              ) : (
                <Table
                  label="Restatements"
                  columns={columns}
                  rows={rowsOf(restatements)}
                  most={BUCKETS}
                  keyOf={({ time, currency, metric }) => `${time} ${currency} ${metric}`}
                />
              )}
              {next_cursor !== null && (
                <div class="actions">
                  <button type="button" onClick={() => setParams({ cursor: next_cursor })}>
                    More
                  </button>
                </div>
              )}
            </>
          )}
        </Tile>
      )}
    </div>
  );
}
