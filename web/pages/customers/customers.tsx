import { Definitions } from '../../answers/index.ts';
import { type AnswerMeta, useAnswer } from '../../api/index.ts';
import {
  type Column,
  Empty,
  Fields,
  formatBucket,
  formatValue,
  Select,
  sheetOf,
  Table,
  Tile,
} from '../../parts/index.ts';
import { headOf, place, range, setParams, zone } from '../../state/index.ts';
import { type Against, type RfmBucket, RfmGrid } from './rfm-grid.tsx';

interface Segment {
  readonly segment: string;
  readonly customers: number;
  readonly orders: number;
  readonly monetary: number;
  readonly share: number;
}

interface RfmAnswer {
  readonly currency: string | null;
  readonly customers_total: number;
  readonly segments: readonly Segment[];
  readonly buckets: readonly RfmBucket[];
  readonly meta: AnswerMeta;
}

interface LtvAnswer {
  readonly currency: string | null;
  readonly customers_total: number;
  readonly cohorts: readonly {
    readonly cohort: string;
    readonly size: number;
    readonly ages: readonly {
      readonly age: number;
      readonly ltv: number | null;
      readonly incomplete?: boolean;
    }[];
  }[];
  readonly meta: AnswerMeta;
}

const MEANING: Readonly<Record<string, string>> = {
  champions: 'bought lately, often and much',
  loyal: 'buy often',
  potential_loyalists: 'lately, and more than once',
  new: 'lately, for the first time',
  promising: 'lately, little',
  need_attention: 'middling in all, and fading',
  about_to_sleep: 'not lately, little',
  at_risk: 'bought often, not lately',
  cannot_lose: 'bought most, long ago',
  hibernating: 'long ago, little',
  lost: 'the longest ago',
};

/** Who the customers are: by recency, frequency and money, in segments, and what they are worth. */
export function Customers() {
  const { params } = place.value;
  const bucket = params.bucket ?? 'month';
  const against: Against = params.against === 'm' ? 'm' : 'f';
  const head = headOf(range.value);
  const rfm = { path: '/customers/rfm', body: head };
  const ltv = { path: '/customers/ltv', body: { ...head, bucket } };
  const scored = useAnswer<RfmAnswer>(rfm);
  const valued = useAnswer<LtvAnswer>(ltv);
  return (
    <div class="grid">
      <Tile
        title={against === 'f' ? 'Recency and frequency' : 'Recency and money'}
        reserve={[480, 633]}
        answer={scored}
        request={rfm}
        hasPicture
        span={6}
        sheet={({ buckets }) => ({
          columns: ['recency', 'frequency', 'money', 'customers'],
          rows: buckets.map(({ r, f, m, customers }) => [r, f, m, customers]),
        })}
        actions={
          <Select
            title="Against"
            value={against}
            options={[
              ['f', 'frequency'],
              ['m', 'money'],
            ]}
            choose={(value) => setParams({ against: value === 'm' ? 'm' : undefined })}
          />
        }
      >
        {({ buckets, customers_total }) =>
          customers_total === 0 ? (
            <Empty>Nobody ordered in this range.</Empty>
          ) : (
            <RfmGrid buckets={buckets} against={against} />
          )
        }
      </Tile>
      <Tile
        title="Segments by recency, frequency, money"
        reserve={[633, 633]}
        answer={scored}
        request={rfm}
        span={6}
        sheet={({ segments, currency }) => sheetOf(segmentColumns(currency), segments)}
      >
        {({ segments, currency }) => (
          <Table
            label="Segments"
            columns={segmentColumns(currency)}
            rows={segments}
            keyOf={({ segment }) => segment}
          />
        )}
      </Tile>
      <Tile
        title="Lifetime value by cohort"
        reserve={[146, 128]}
        answer={valued}
        request={ltv}
        sheet={({ cohorts, currency }) => ({
          columns: ['cohort', 'size', 'age', 'ltv', 'currency'],
          rows: cohorts.flatMap(({ cohort, size, ages }) =>
            ages.map(({ age, ltv: v }) => [cohort, size, age, v, currency]),
          ),
        })}
        actions={
          <Select
            title="Cohorts by"
            value={bucket}
            options={[
              ['week', 'week'],
              ['month', 'month'],
            ]}
            choose={(value) => setParams({ bucket: value })}
          />
        }
      >
        {(data) => <Values data={data} bucket={bucket} />}
      </Tile>
      <Definitions
        title="Segments of your own"
        path="/segments"
        member="segments"
        permission="definitions:write"
        none="None is stored. A segment filters and groups every query."
        template={{
          name: 'Bought twice',
          where: { event: 'order.created', count: { gte: 2 } },
        }}
      />
    </div>
  );
}

function segmentColumns(currency: string | null): readonly Column<Segment>[] {
  return [
    {
      ...{ title: 'Segment', value: ({ segment }) => segment.replaceAll('_', ' ') },
      show: ({ segment }) => (
        <>
          {segment.replaceAll('_', ' ')}
          <small>{MEANING[segment]}</small>
        </>
      ),
    },
    { title: 'Customers', isNumber: true, value: ({ customers }) => customers },
    {
      ...{ title: 'Share', isNumber: true, hasBar: true, value: ({ share }) => share },
      show: ({ share }) => formatValue(share, 'ratio', null, true),
    },
    {
      ...{ title: 'Spent', isNumber: true, value: ({ monetary }) => monetary },
      show: ({ monetary }) => formatValue(monetary, 'money', currency),
    },
  ];
}

function Values({ data, bucket }: { readonly data: LtvAnswer; readonly bucket: string }) {
  const { cohorts, currency } = data;
  if (cohorts.length === 0) return <Empty>Nobody ordered for the first time in this range.</Empty>;
  type Row = LtvAnswer['cohorts'][number];
  const ages = Math.max(...cohorts.map((one) => one.ages.filter(({ ltv }) => ltv !== null).length));
  const columns: Column<Row>[] = [
    {
      ...{ title: 'First order', value: ({ cohort }) => cohort },
      show: ({ cohort }) => formatBucket(cohort, zone.value, bucket === 'month' ? '1M' : '1d'),
    },
    { title: 'Customers', isNumber: true, value: ({ size }) => size },
    ...Array.from(
      { length: ages },
      (_, at): Column<Row> => ({
        ...{
          title: `${bucket === 'week' ? 'Week' : 'Month'} ${at}`,
          isNumber: true,
          value: ({ ages: all }: Row) => all[at]?.ltv,
        },
        show: ({ ages: all }) => {
          const one = all[at];
          return one?.ltv === null || one === undefined
            ? ''
            : `${formatValue(one.ltv, 'money', currency)}${one.incomplete === true ? '*' : ''}`;
        },
      }),
    ),
  ];
  return (
    <>
      <Fields>
        <p class="hint">Net revenue for each customer, added up from the first order. * not over for all.</p>
      </Fields>
      <Table label="Lifetime value" columns={columns} rows={cohorts} keyOf={({ cohort }) => cohort} />
    </>
  );
}
