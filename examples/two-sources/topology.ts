import { intervalJoin, jetstream, json, type Stream, toJetStream, topology, watermark } from '../../index.ts';

export type Order = { readonly order: string; readonly at: number };
export type Payment = { readonly order: string; readonly cents: number; readonly at: number };

const timeOf = ({ at }: { readonly at: number }): number => at;
const keyOf = ({ order }: { readonly order: string }): string => order;

/** Each order with its payment of the following minute, or with none. */
export const paid = topology('paid', (t) => {
  const read = <A extends Order>(subject: string): Stream<A> =>
    t
      .source(jetstream(subject.toUpperCase(), { subjects: [`${subject}.>`] }))
      .pipe(
        json(`${subject}-parse`, { parse: (value) => value as A }),
        watermark(`${subject}-time`, { timeOf, outOfOrderness_ms: 2_000 }),
      );
  read<Order>('orders')
    .connect(
      read<Payment>('payments'),
      intervalJoin<Order, Payment, { readonly order: string; readonly cents: number | null }>('match', {
        left: { keyOf, timeOf },
        right: { keyOf, timeOf },
        lower_ms: 0,
        upper_ms: 60_000,
        type: 'left',
        join: ({ order }, payment) => ({ order, cents: payment?.cents ?? null }),
      }),
    )
    .pipe(toJetStream('results', { subject: 'paid', idOf: ({ order, cents }) => `${order} ${cents}` }));
});
