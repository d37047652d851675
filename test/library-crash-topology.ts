import {
  count,
  dedup,
  intervalJoin,
  jetstream,
  json,
  map,
  sum,
  toJetStream,
  topology,
  toWindowTable,
  tumbling,
  watermark,
  window,
  windowTableOf,
} from '../index.ts';

export interface Order {
  readonly order: string;
  readonly shop: string;
  readonly at: number;
}

export interface Payment {
  readonly payment: string;
  readonly order: string;
  readonly shop: string;
  readonly cents: number;
  readonly at: number;
}

/** An order and a payment of it, or an order that was not paid in time. */
export interface Settled {
  readonly order: string;
  readonly shop: string;
  readonly payment: string | null;
  readonly cents: number;
  readonly at: number;
}

export interface Takings {
  readonly paid: number;
  readonly unpaid: number;
  readonly cents: number;
}

export const MINUTE_MS = 60_000;
/** How far apart an order and its payment may be. */
export const PAY_WITHIN_MS = 5_000;
/** How late messages may come. */
export const DISORDER_MS = 2_000;
export const RESULTS_SUBJECT = 'settled.results';

const idOf = ({ order, payment }: Settled): string => `${order}/${payment ?? 'unpaid'}`;
// Few, so that ids are looked for on disk too.
const MEMORY_IDS = 500;
const timeOf = ({ at }: Order | Payment): number => at;
const time = { timeOf, outOfOrderness_ms: DISORDER_MS, idle_ms: 600_000 };

/** Two streams, deduplicated and joined; the results counted by minute and sent to a third stream. */
export const settling = topology('settling', (t) => {
  const orders = t
    .source(jetstream('ORDERS', { subjects: ['orders.>'] }))
    .pipe(
      json('orders-parse', { parse: (value) => value as Order }),
      dedup<Order>('orders-once', { timeOf, memory_ids: MEMORY_IDS, idOf: ({ order }) => order }),
      watermark('orders-time', time),
    );
  const payments = t.source(jetstream('PAYMENTS', { subjects: ['payments.>'] })).pipe(
    json('payments-parse', { parse: (value) => value as Payment }),
    dedup<Payment>('payments-once', { timeOf, memory_ids: MEMORY_IDS, idOf: ({ payment }) => payment }),
    watermark('payments-time', {
      timeOf: ({ at }) => at,
      outOfOrderness_ms: DISORDER_MS,
      idle_ms: 600_000,
    }),
  );
  const settled = orders.connect(
    payments,
    intervalJoin<Order, Payment, Settled>('settled', {
      left: { keyOf: ({ order }) => order, timeOf: ({ at }) => at },
      right: { keyOf: ({ order }) => order, timeOf: ({ at }) => at },
      lower_ms: 0,
      upper_ms: PAY_WITHIN_MS,
      type: 'left',
      join: ({ order, shop, at }, payment) => ({
        order,
        shop,
        payment: payment?.payment ?? null,
        cents: payment?.cents ?? 0,
        at,
      }),
    }),
  );
  settled.pipe(toJetStream('results', { subject: RESULTS_SUBJECT, idOf }));
  settled.pipe(
    window('by-minute', {
      keyOf: ({ shop }: Settled) => shop,
      timeOf: ({ at }) => at,
      window: tumbling({ size_ms: MINUTE_MS }),
      // An unpaid order comes out of the join when nothing can come for it any more, behind its time.
      allowedLateness_ms: 10 * MINUTE_MS,
      aggregate: {
        all: count(),
        paid: sum(({ payment }: Settled) => (payment === null ? 0 : 1)),
        cents: sum(({ cents }: Settled) => cents),
      },
    }),
    map('takings', ({ key, window: of, value: { all, paid, cents } }) => ({
      key,
      window: of,
      value: { paid, unpaid: all - paid, cents },
    })),
    toWindowTable('takings-table', {
      keyOf: ({ key }) => key,
      windowOf: (result) => result.window,
      value: ({ value }): Takings => value,
      retain_ms: Number.POSITIVE_INFINITY,
    }),
  );
});

export const takingsTable = windowTableOf<Takings>('takings-table');
