import { json, type Stream, topology, watermark } from '../index.ts';

/** An order, and what is paid for it, as type tests have them. */
export interface Order {
  readonly type: 'order';
  readonly id: string;
  readonly cents: number;
  readonly at: number;
}
export interface Payment {
  readonly type: 'payment';
  readonly order: string;
  readonly via: string;
  readonly at: number;
}
export type Event = Order | Payment;
/** What flows in a stream. */
export type ItemOf<S> = S extends Stream<infer T, infer _> ? T : never;

/** What the compiler says of a topology; building it shows that it can be built too. */
export const given = (
  build: (events: Stream<Event>, orders: Stream<Order>, payments: Stream<Payment>) => void,
) =>
  void topology('types', (t) => {
    const source = <T>(name: string): Stream<T> =>
      t
        .source(name)
        .pipe(
          json(`${name}-parse`, { parse: (value) => value as T }),
          watermark(`${name}-time`, { timeOf: () => 0, outOfOrderness_ms: 0 }),
        );
    build(source('events'), source('orders'), source('payments'));
  });

export const keys = {
  left: { keyOf: ({ id }: Order) => id, timeOf: ({ at }: Order) => at },
  right: { keyOf: ({ order }: Payment) => order, timeOf: ({ at }: Payment) => at },
};
