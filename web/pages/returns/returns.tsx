import { type AnswerMeta, useAnswer } from '../../api/index.ts';
import {
  Bars,
  type Column,
  Empty,
  Figure,
  formatValue,
  Link,
  sheetOf,
  Table,
  Tile,
} from '../../parts/index.ts';
import { headOf, range } from '../../state/index.ts';

interface Sku {
  readonly sku: string | null;
  readonly units_sold: number;
  readonly units_returned: number;
  readonly unit_return_rate: number | null;
}

interface ReturnsAnswer {
  readonly totals: {
    readonly orders: number;
    readonly units_sold: number;
    readonly units_returned: number;
    readonly unit_return_rate: number | null;
    readonly order_return_rate: number | null;
  };
  readonly skus: readonly Sku[];
  readonly reasons: readonly { readonly reason: string | null; readonly returns: number }[];
  readonly meta: AnswerMeta;
}

interface RefundsAnswer {
  readonly currency: string | null;
  readonly totals: {
    readonly gross: number;
    readonly refunds: number;
    readonly net: number;
    readonly refund_rate: number | null;
  };
  readonly drivers: Readonly<
    Record<
      string,
      { readonly values: readonly { readonly value: string | null; readonly refunds: number }[] }
    >
  >;
  readonly meta: AnswerMeta;
}

interface Cluster {
  readonly ip: string;
  readonly customers: number;
  readonly cards: number;
  readonly orders: number;
  readonly events: number;
}

interface FraudAnswer {
  readonly currency: string | null;
  readonly groups: readonly {
    readonly totals: {
      readonly fraud_flags: number;
      readonly chargebacks: number;
      readonly chargeback_amount: number;
      readonly chargeback_rate: number | null;
    };
  }[];
  readonly ip_clusters: { readonly clusters: readonly Cluster[]; readonly clusters_total: number };
  readonly meta: AnswerMeta;
}

const SKUS: readonly Column<Sku>[] = [
  {
    ...{ title: 'Product', value: ({ sku }: Sku) => sku },
    show: ({ sku }) => (
      <Link to="/explore" params={{ metric: 'units_sold', filters: `sku=${sku ?? ''}` }}>
        {sku ?? '(none)'}
      </Link>
    ),
  },
  { title: 'Sold', isNumber: true, value: ({ units_sold }) => units_sold },
  { title: 'Returned', isNumber: true, value: ({ units_returned }) => units_returned },
  {
    ...{
      title: 'Rate',
      isNumber: true,
      hasBar: true,
      value: ({ unit_return_rate }: Sku) => unit_return_rate,
    },
    show: ({ unit_return_rate }) => formatValue(unit_return_rate, 'ratio'),
  },
];

const CLUSTERS: readonly Column<Cluster>[] = [
  { title: 'Address', value: ({ ip }) => ip },
  { title: 'Customers', isNumber: true, value: ({ customers }) => customers },
  { title: 'Cards', isNumber: true, value: ({ cards }) => cards },
  { title: 'Orders', isNumber: true, value: ({ orders }) => orders },
  { title: 'Events', isNumber: true, value: ({ events }) => events },
];

/** What comes back, what it costs, and what looks like fraud. */
export function Returns() {
  const head = headOf(range.value);
  const returned = { path: '/returns/summary', body: head };
  const refunded = { path: '/refunds/impact', body: { ...head, drivers: ['channel', 'country'] } };
  const flagged = { path: '/fraud/trends', body: head };
  const returns = useAnswer<ReturnsAnswer>(returned);
  const refunds = useAnswer<RefundsAnswer>(refunded);
  const fraud = useAnswer<FraudAnswer>(flagged);
  return (
    <div class="grid">
      <Tile title="Returns" answer={returns} request={returned} reserve={[187, 80]}>
        {({ totals }) => (
          <div class="figures">
            <Figure title="Orders" unit="count" value={totals.orders} />
            <Figure title="Units sold" unit="count" value={totals.units_sold} />
            <Figure title="Units returned" unit="count" value={totals.units_returned} />
            <Figure title="Of units" unit="ratio" value={totals.unit_return_rate} />
            <Figure title="Of orders" unit="ratio" value={totals.order_return_rate} />
          </div>
        )}
      </Tile>
      <Tile
        title="Why it comes back"
        reserve={[152, 513]}
        answer={returns}
        request={returned}
        span={4}
        sheet={({ reasons }) => ({
          columns: ['reason', 'returns'],
          rows: reasons.map(({ reason, returns: count }) => [reason, count]),
        })}
      >
        {({ reasons }) =>
          reasons.length === 0 ? (
            <Empty>Nothing came back in this range.</Empty>
          ) : (
            <Bars
              label="Reasons"
              bars={reasons.map(({ reason, returns: count }) => ({
                key: reason ?? '',
                title: reason ?? '(no reason)',
                value: count,
                text: formatValue(count, 'count'),
              }))}
            />
          )
        }
      </Tile>
      <Tile
        title="What comes back"
        reserve={[513, 513]}
        answer={returns}
        request={returned}
        span={8}
        sheet={({ skus }) => sheetOf(SKUS, skus)}
      >
        {({ skus }) => (
          <Table label="Products" columns={SKUS} rows={skus} most={10} keyOf={({ sku }) => sku ?? ''} />
        )}
      </Tile>
      <Tile
        title="Refunds"
        reserve={[614, 337]}
        answer={refunds}
        request={refunded}
        sheet={({ drivers }) => ({
          columns: ['driver', 'value', 'refunds'],
          rows: Object.entries(drivers).flatMap(([name, { values }]) =>
            values.map((one) => [name, one.value, one.refunds]),
          ),
        })}
      >
        {({ totals, currency, drivers }) => (
          <>
            <div class="figures">
              <Figure title="Gross" unit="money" currency={currency} value={totals.gross} />
              <Figure title="Refunds" unit="money" currency={currency} value={totals.refunds} />
              <Figure title="Net" unit="money" currency={currency} value={totals.net} />
              <Figure title="Refund rate" unit="ratio" value={totals.refund_rate} />
            </div>
            <div class="columns">
              {Object.entries(drivers).map(([name, { values }]) => (
                <div key={name}>
                  <h3>By {name}</h3>
                  <Bars
                    label={`Refunds by ${name}`}
                    bars={values.map((one) => ({
                      key: one.value ?? '',
                      title: one.value ?? '(none)',
                      value: one.refunds,
                      text: formatValue(one.refunds, 'money', currency),
                    }))}
                  />
                </div>
              ))}
            </div>
          </>
        )}
      </Tile>
      <Tile
        title="Fraud"
        reserve={[557, 505]}
        answer={fraud}
        request={flagged}
        sheet={({ ip_clusters }) => sheetOf(CLUSTERS, ip_clusters.clusters)}
      >
        {({ groups, currency, ip_clusters }) => {
          const totals = groups[0]?.totals;
          return (
            <>
              <div class="figures">
                <Figure title="Flags" unit="count" value={totals?.fraud_flags} />
                <Figure title="Chargebacks" unit="count" value={totals?.chargebacks} />
                <Figure
                  title="Charged back"
                  unit="money"
                  currency={currency}
                  value={totals?.chargeback_amount}
                />
                <Figure title="Of paid orders" unit="ratio" value={totals?.chargeback_rate} />
              </div>
              {ip_clusters.clusters.length === 0 ? (
                <Empty>No address has several customers or cards.</Empty>
              ) : (
                <Table
                  label="Addresses"
                  columns={CLUSTERS}
                  rows={ip_clusters.clusters}
                  most={10}
                  keyOf={({ ip }) => ip}
                />
              )}
            </>
          );
        }}
      </Tile>
    </div>
  );
}
