import { pairwise } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import {
  begin,
  branch,
  collect,
  count,
  dedup,
  defineOperator,
  type Either,
  type FunnelChange,
  filter,
  flatMap,
  funnel,
  intervalJoin,
  jetstream,
  json,
  type KeyAnswer,
  type KvReader,
  keyedProcess,
  lift,
  lookup,
  map,
  type Operator,
  type PatternMatch,
  pattern,
  quantiles,
  queryTable,
  type RowsAnswer,
  rateLimit,
  type SourceRecord,
  type Stream,
  sample,
  session,
  sessionize,
  sessions,
  sum,
  sumExact,
  type TableChange,
  tableOf,
  temporalJoin,
  toJetStream,
  topK,
  topology,
  toTable,
  toWindowTable,
  tumbling,
  type WindowedValue,
  type WindowResult,
  type WindowsAnswer,
  watermark,
  window,
  windowJoin,
  windowTableOf,
} from '../index.ts';

interface Order {
  readonly type: 'order';
  readonly id: string;
  readonly cents: number;
  readonly at: number;
}
interface Payment {
  readonly type: 'payment';
  readonly order: string;
  readonly via: string;
  readonly at: number;
}
type Event = Order | Payment;
type ItemOf<S> = S extends Stream<infer T, infer _> ? T : never;

/** What the compiler says of a topology; building it shows that it can be built too. */
const given = (build: (events: Stream<Event>, orders: Stream<Order>, payments: Stream<Payment>) => void) =>
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

const keys = {
  left: { keyOf: ({ id }: Order) => id, timeOf: ({ at }: Order) => at },
  right: { keyOf: ({ order }: Payment) => order, timeOf: ({ at }: Payment) => at },
};

describe('the type of the items flows', () => {
  it('past functions that take less than an item', () =>
    given((_, orders) => {
      const at = (item: { readonly at: number }): number => item.at;
      const id = (item: { readonly id: string }): string => item.id;
      const through = orders.pipe(
        watermark('time', { timeOf: at, outOfOrderness_ms: 0 }),
        dedup('once', { idOf: id, timeOf: at }),
        rateLimit('limit', { keyOf: id, timeOf: at, max_events: 1, per_ms: 1 }),
        sample('some', { rate: 0.5, idOf: id }),
      );
      expectTypeOf(through).toExtend<Stream<Order>>();
      expectTypeOf<ItemOf<typeof through>>().toEqualTypeOf<Order>();
      const results = through.pipe(
        window('counts', {
          keyOf: id,
          timeOf: at,
          window: tumbling({ size_ms: 1 }),
          aggregate: { cents: sum((order) => order.cents) },
        }),
      );
      expectTypeOf<ItemOf<typeof results>>().toEqualTypeOf<WindowResult<{ cents: number }>>();
      const inSessions = orders.pipe(sessionize('in', { keyOf: id, timeOf: at, gap_ms: 1 }));
      expectTypeOf<ItemOf<typeof inSessions>['event']>().toEqualTypeOf<Order>();
      const whole = orders.pipe(sessions('of', { keyOf: id, timeOf: at, gap_ms: 1, max_events: 9 }));
      expectTypeOf<ItemOf<typeof whole>['events']>().toEqualTypeOf<readonly Order[]>();
      const table = orders.pipe(toTable('table', { keyOf: id, timeOf: at }));
      expectTypeOf<ItemOf<typeof table>>().toEqualTypeOf<TableChange<Order>>();
      const cents = orders.pipe(toTable('cents', { keyOf: id, value: (order) => order.cents }));
      expectTypeOf<ItemOf<typeof cents>>().toEqualTypeOf<TableChange<number>>();
      const dear = orders.pipe(
        filter('dear', (item: { readonly cents: number }) => item.cents > 100),
        map('id', (order) => order.id),
      );
      expectTypeOf<ItemOf<typeof dear>>().toEqualTypeOf<string>();
      // Outside of a pipe it is the functions that say what comes.
      expectTypeOf(
        watermark('time', { timeOf: ({ at: time }: Order) => time, outOfOrderness_ms: 0 }),
      ).toExtend<Operator<Order, Order>>();
    }));

  it('through a pipe of nine operators', () =>
    void topology('nine', (t) => {
      const nine = t.source(jetstream('ORDERS', { subjects: ['orders.>'] })).pipe(
        json('parse', { parse: (value, record) => ({ value: value as number, subject: record.subject }) }),
        map('one', ({ value, subject }) => `${subject} ${value}`),
        map('two', (text) => text.length),
        filter('three', (length) => length > 1),
        flatMap<number, bigint>('four', { each: (length, push) => push(BigInt(length)) }),
        map('five', (large) => ({ large })),
        map('six', ({ large }) => new Date(Number(large))),
        watermark('seven', { timeOf: (date) => date.getTime(), outOfOrderness_ms: 0 }),
        window('eight', {
          keyOf: (date) => date.toISOString(),
          timeOf: (date) => date.getTime(),
          window: tumbling({ size_ms: 1_000 }),
          aggregate: count(),
        }),
      );
      expectTypeOf(nine).toExtend<Stream<WindowResult<number>>>();
      expectTypeOf(nine.side('late')).toEqualTypeOf<Stream<Date>>();
    }));

  it('through a pipe of any number of operators', () =>
    given((_, orders) => {
      const same = (name: string) => filter(name, (order: Order) => order.cents > 0);
      const twelve = orders.pipe(
        ...([same('a'), same('b'), same('c'), same('d'), same('e'), same('f'), same('g')] as const),
        ...([same('h'), same('i')] as const),
        map('cents', (order: Order) => order.cents),
        map('text', (cents: number) => `${cents}`),
        filter('long', (text: string) => text.length > 1),
      );
      expectTypeOf(twelve).toExtend<Stream<string>>();
      const nine = [same('j'), same('k'), same('l'), same('m'), same('n'), same('o'), same('p')] as const;
      const rest = [same('q'), same('r'), map('s', (order: Order) => order.id), same('t')] as const;
      // @ts-expect-error the last takes no text
      orders.pipe(...nine, ...rest);
    }));

  it('and what does not fit is an error', () =>
    given((_, orders) => {
      const takesText = map('text', (text: string) => text.length);
      // @ts-expect-error orders are no strings
      orders.pipe(takesText);
      orders.pipe(
        // @ts-expect-error neither is what this makes of them
        map('cents', ({ cents }) => cents),
        map('upper', (text: string) => text.toUpperCase()),
      );
      // @ts-expect-error orders have no shop
      orders.pipe(map('shop', ({ shop }) => shop));
    }));

  it('through filters and branches, narrowed by their guards', () =>
    given((events) => {
      const isOrder = (event: Event): event is Order => event.type === 'order';
      expectTypeOf(events.pipe(filter('orders-only', isOrder))).toEqualTypeOf<Stream<Order>>();
      const branches = branch(events, 'by-type', { order: isOrder, rest: () => true });
      expectTypeOf(branches.order).toEqualTypeOf<Stream<Order>>();
      expectTypeOf(branches.rest).toEqualTypeOf<Stream<Event>>();
      // @ts-expect-error there is no such branch
      expectTypeOf(branches.payment).toBeUndefined();
    }));

  it('through a merge, of streams of one type only', () =>
    void topology('merged', (t) => {
      const orders = t.source('a').pipe(json('a-parse', { parse: (value) => value as Order }));
      const others = t.source('b').pipe(json('b-parse', { parse: (value) => value as Order }));
      const payments = t.source('c').pipe(json('c-parse', { parse: (value) => value as Payment }));
      expectTypeOf(t.merge('orders', orders, others)).toEqualTypeOf<Stream<Order>>();
      expectTypeOf(t.merge<Event>('events', orders, payments)).toEqualTypeOf<Stream<Event>>();
      // @ts-expect-error payments are no orders
      t.merge<Order>('mixed', orders, payments);
    }));

  it('through an operator of RxJS', () =>
    given((_, orders) => {
      const pairs = orders.pipe(lift('pairs', pairwise<Order>()));
      expectTypeOf(pairs).toEqualTypeOf<Stream<[Order, Order]>>();
      // @ts-expect-error it takes numbers
      orders.pipe(lift('numbers', pairwise<number>()));
    }));

  it('into two inputs', () =>
    given((_, orders, payments) => {
      const both = defineOperator<Either<Order, Payment>, string>({
        kind: 'both',
        summary: 'Says what came',
        start: ({ emit }) => ({
          onBatch: (items) =>
            emit(items.map((item) => (item.input === 'left' ? item.value.id : item.value.via))),
        }),
      });
      expectTypeOf(orders.connect(payments, both('both', undefined))).toEqualTypeOf<Stream<string>>();
      // @ts-expect-error the sides are the other way round
      payments.connect(orders, both('turned', undefined));
    }));
});

describe('side outputs', () => {
  it('have names and types of their own, those of the last operator', () =>
    given((events) => {
      const checked = events.pipe(
        watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 0 }),
        keyedProcess<Event, string, number, { readonly large: Order }>('check', {
          keyOf: ({ type }) => type,
          timeOf: ({ at }) => at,
          sides: ['large'],
          initial: () => 0,
          onEvent: (event, { emitTo, emit, state }) => {
            expectTypeOf(state).toEqualTypeOf<number>();
            if (event.type === 'order') emitTo('large', event);
            else emit(event.via);
            // @ts-expect-error it has no such side output
            emitTo('small', event);
          },
        }),
      );
      expectTypeOf(checked.side('large')).toEqualTypeOf<Stream<Order>>();
      expectTypeOf(checked.side('late')).toEqualTypeOf<Stream<Event>>();
      const further = checked.pipe(map('length', (text) => text.length));
      // @ts-expect-error `map` has none
      const wrong = (): unknown => further.side('late');
      expectTypeOf(wrong).returns.toBeUnknown();
      const sink = checked.pipe(toJetStream('sink', { subject: 'out' }));
      expectTypeOf(sink).toExtend<Stream<never>>();
      expectTypeOf(sink.side('refused')).toEqualTypeOf<Stream<string>>();
    }));
});

describe('windows', () => {
  it('give results of the shape of their aggregates', () =>
    given((_, orders) => {
      const result = orders.pipe(
        window('hours', {
          keyOf: ({ id }) => id,
          timeOf: ({ at }) => at,
          window: session({ gap_ms: 1 }),
          aggregate: {
            orders: count(),
            money: { cents: sumExact(({ cents }) => cents), mean: sum(({ cents }) => cents) },
            spread: quantiles(({ cents }) => cents, [0.5, 0.9]),
            best: topK(3, ({ cents }) => cents),
            all: collect<Order>(10),
          },
        }),
      );
      type Hour = {
        orders: number;
        money: { cents: bigint; mean: number };
        spread: number[];
        best: Order[];
        all: Order[];
      };
      expectTypeOf(result).toExtend<Stream<WindowResult<Hour>>>();
      result.pipe(map('hour', ({ value }) => void expectTypeOf(value).toEqualTypeOf<Hour>()));
      expectTypeOf(result.side('overflow')).toEqualTypeOf<Stream<Order>>();
    }));
});

describe('joins', () => {
  it('say which side may be missing', () =>
    given((_, orders, payments) => {
      const interval = { ...keys, lower_ms: 0, upper_ms: 1_000 };
      const inner = orders.connect(
        payments,
        intervalJoin('inner', {
          ...interval,
          type: 'inner',
          join: (order: Order, payment: Payment) => {
            expectTypeOf(order).toEqualTypeOf<Order>();
            expectTypeOf(payment).toEqualTypeOf<Payment>();
            return `${order.id} ${payment.via}`;
          },
        }),
      );
      expectTypeOf(inner).toExtend<Stream<string>>();
      expectTypeOf(inner.side('late')).toEqualTypeOf<Stream<Either<Order, Payment>>>();
      type Left = Extract<Parameters<typeof intervalJoin<Order, Payment, string>>[1], { type: 'left' }>;
      expectTypeOf<Left['join']>().parameter(0).toEqualTypeOf<Order>();
      expectTypeOf<Left['join']>().parameter(1).toEqualTypeOf<Payment | undefined>();
      type Outer = Extract<Parameters<typeof windowJoin<Order, Payment, string>>[1], { type: 'outer' }>;
      expectTypeOf<Outer['join']>().parameter(0).toEqualTypeOf<Order | undefined>();
      expectTypeOf<Outer['join']>().parameter(1).toEqualTypeOf<Payment | undefined>();
      orders.connect(
        payments,
        windowJoin('left', {
          ...keys,
          size_ms: 1_000,
          type: 'left',
          // @ts-expect-error there may be no payment
          join: (order: Order, payment: Payment | undefined) => `${order.id} ${payment.via}`,
        }),
      );
      orders.connect(
        payments,
        temporalJoin('as-of', {
          ...keys,
          // @ts-expect-error a left row is always there: no outer join
          type: 'outer',
          join: (order: Order, payment: Payment | undefined) => `${order.id} ${payment?.via}`,
        }),
      );
      const looked = orders.pipe(
        lookup<Order, number, string>('table', {
          keyOf: ({ id }) => id,
          table: new Map([['a', 1]]),
          type: 'left',
          join: (order, row) => {
            expectTypeOf(row).toEqualTypeOf<number | undefined>();
            return order.id;
          },
        }),
      );
      expectTypeOf(looked).toExtend<Stream<string>>();
    }));
});

describe('sequences', () => {
  it('give changes of funnels, and matches with the stages of their pattern', () =>
    given((events) => {
      const bought = events.pipe(
        funnel<Event>('bought', {
          keyOf: ({ type }) => type,
          timeOf: ({ at }) => at,
          steps: [
            { name: 'ordered', matches: ({ type }) => type === 'order' },
            { name: 'paid', matches: ({ type }) => type === 'payment' },
          ],
          window_ms: 1_000,
          retain_ms: 2_000,
        }),
      );
      expectTypeOf(bought).toExtend<Stream<FunnelChange>>();
      const stages = begin<Event, 'order'>('order', ({ type }) => type === 'order')
        .followedBy('payment', ({ type }, { order }) => type === 'payment' && order.length === 1)
        .within(1_000);
      const matches = events.pipe(
        pattern('settled', { keyOf: ({ type }) => type, timeOf: ({ at }) => at, pattern: stages }),
      );
      expectTypeOf(matches).toExtend<Stream<PatternMatch<Event, 'order' | 'payment'>>>();
    }));
});

describe('tables', () => {
  it('have the types of what is put in, and answers that of the query', () =>
    given((_, orders) => {
      const changes = orders.pipe(toTable('cents', { keyOf: ({ id }) => id, value: ({ cents }) => cents }));
      expectTypeOf(changes).toExtend<Stream<TableChange<number>>>();
      const windows = orders.pipe(
        toWindowTable('by-hour', {
          keyOf: ({ id }) => id,
          windowOf: ({ at }) => ({ start_ms: at, end_ms: at + 1 }),
          retain_ms: 1,
        }),
      );
      expectTypeOf(windows).toExtend<Stream<WindowedValue<Order | undefined>>>();
      const asks = (reader: KvReader) => ({
        key: queryTable(reader, tableOf<number>('cents'), { kind: 'key', key: 'o1' }),
        rows: queryTable(reader, tableOf<number>('cents'), { kind: 'prefix', prefix: 'o', limit: 1 }),
        windows: queryTable(reader, windowTableOf<Order>('by-hour'), {
          kind: 'window',
          key: 'o1',
          start_ms: 0,
          end_ms: 1,
        }),
      });
      type Answers = ReturnType<typeof asks>;
      expectTypeOf<Extract<Answers['key'], { ok: true }>>().toEqualTypeOf<KeyAnswer<number>>();
      expectTypeOf<Extract<Answers['rows'], { ok: true }>>().toEqualTypeOf<RowsAnswer<number>>();
      expectTypeOf<Extract<Answers['windows'], { ok: true }>>().toEqualTypeOf<WindowsAnswer<Order>>();
    }));
});

it('a source gives records, and a named operator is a value of its types', () => {
  topology('source', (t) => expectTypeOf(t.source('s')).toEqualTypeOf<Stream<SourceRecord>>());
  const twice = map('twice', (n: number) => n * 2);
  expectTypeOf(twice).toExtend<Operator<number, number>>();
});
