import { describe, expectTypeOf, it } from 'vitest';
import {
  begin,
  collect,
  count,
  type Either,
  type FunnelChange,
  funnel,
  intervalJoin,
  type KeyAnswer,
  type KvReader,
  lookup,
  map,
  type PatternMatch,
  pattern,
  quantiles,
  queryTable,
  type RowsAnswer,
  type Stream,
  session,
  sum,
  sumExact,
  type TableChange,
  tableOf,
  temporalJoin,
  topK,
  toTable,
  toWindowTable,
  type WindowedValue,
  type WindowResult,
  type WindowsAnswer,
  window,
  windowJoin,
  windowTableOf,
} from '../index.ts';
import { type Event, given, keys, type Order, type Payment } from './typed-streams.ts';

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
