import { pairwise } from 'rxjs';
import { describe, expectTypeOf, it } from 'vitest';
import {
  branch,
  count,
  dedup,
  defineOperator,
  type Either,
  filter,
  flatMap,
  jetstream,
  json,
  keyedProcess,
  lift,
  map,
  type Operator,
  rateLimit,
  type SourceRecord,
  type Stream,
  sample,
  sessionize,
  sessions,
  sum,
  type TableChange,
  toJetStream,
  topology,
  toTable,
  tumbling,
  type WindowResult,
  watermark,
  window,
} from '../index.ts';
import { type Event, given, type ItemOf, type Order, type Payment } from './typed-streams.ts';

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

  it('through a pipe of twelve operators', () =>
    void topology('twelve', (t) => {
      const twelve = t.source(jetstream('ORDERS', { subjects: ['orders.>'] })).pipe(
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
        map('nine', ({ key, value }) => ({ key, value })),
        map('ten', ({ key }) => ({ day: new Date(key), at: Date.parse(key) })),
        dedup('eleven', { idOf: ({ day }) => day.toISOString(), timeOf: ({ at }) => at }),
      );
      expectTypeOf<ItemOf<typeof twelve>>().toEqualTypeOf<{ day: Date; at: number }>();
      expectTypeOf(twelve.side('duplicates')).toEqualTypeOf<Stream<{ day: Date; at: number }>>();
    }));

  it('through a pipe of any number of operators, from the 13th on by the types that they say', () =>
    given((_, orders) => {
      const same = (name: string) => filter(name, (order: Order) => order.cents > 0);
      const six = [same('a'), same('b'), same('c'), same('d'), same('e'), same('f')] as const;
      const more = [same('g'), same('h'), same('i'), same('j'), same('k'), same('l')] as const;
      const fifteen = orders.pipe(
        ...six,
        ...more,
        map('cents', (order: Order) => order.cents),
        map('text', (cents: number) => `${cents}`),
        toJetStream('out', { subject: (text: string) => text }),
      );
      expectTypeOf(fifteen).toExtend<Stream<never>>();
      expectTypeOf(fifteen.side('refused')).toEqualTypeOf<Stream<string>>();
      const last = (name: string) => [map(`${name}-id`, (order: Order) => order.id), same(name)] as const;
      // @ts-expect-error the last takes no text
      orders.pipe(...last('m'));
      const again = [same('n'), same('o'), same('p'), same('q'), same('r'), same('s')] as const;
      const others = [same('t'), same('u'), same('v'), same('w'), same('x'), same('y')] as const;
      // @ts-expect-error nor as the 14th
      orders.pipe(...again, ...others, ...last('z'));
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

  it('and the error of a wrong time or key is at the function that gives it', () => {
    interface Row {
      readonly id: string;
      readonly at: string;
      readonly shop?: string;
    }
    const timeOf = ({ at }: Row): number => Date.parse(at);
    const keyOf = ({ id }: Row): string => id;
    const wrong = (rows: Stream<Row>): unknown[] => [
      rows.pipe(
        watermark('time', {
          // @ts-expect-error a text is no time
          timeOf: ({ at }) => at,
          outOfOrderness_ms: 0,
        }),
      ),
      rows.pipe(
        dedup('once', {
          idOf: keyOf,
          // @ts-expect-error a text is no time
          timeOf: ({ at }) => at,
        }),
      ),
      rows.pipe(
        window('hours', {
          // @ts-expect-error there may be no shop
          keyOf: ({ shop }) => shop,
          timeOf,
          window: tumbling({ size_ms: 1 }),
          aggregate: count(),
        }),
      ),
      rows.pipe(
        toTable('rows', {
          keyOf,
          // @ts-expect-error a text is no time
          timeOf: ({ at }) => at,
        }),
      ),
      rows.pipe(
        sessionize('in', {
          keyOf,
          // @ts-expect-error a text is no time
          timeOf: ({ at }) => at,
          gap_ms: 1,
        }),
      ),
      rows.pipe(
        rateLimit('limit', {
          keyOf,
          // @ts-expect-error rows have no such member
          timeOf: ({ time }) => time,
          max_events: 1,
          per_ms: 1,
        }),
      ),
    ];
    expectTypeOf(wrong).returns.toEqualTypeOf<unknown[]>();
  });

  it('and of an operator that takes other items the type says which member differs', () => {
    type Takes<T> = T extends { readonly takes?: (item: infer A) => void } ? A : never;
    const byDate = watermark('time', {
      timeOf: ({ at }: { readonly at: Date }) => at.getTime(),
      outOfOrderness_ms: 0,
    });
    expectTypeOf<Takes<typeof byDate>>().toEqualTypeOf<{ readonly at: Date }>();
    type Gives<T> = T extends { readonly gives?: () => infer B } ? B : never;
    expectTypeOf<Gives<typeof byDate>>().toEqualTypeOf<{ readonly at: Date }>();
    given((_, orders) => {
      // @ts-expect-error the time of an order is a number
      orders.pipe(byDate);
    });
  });

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

it('a source gives records, and a named operator is a value of its types', () => {
  topology('source', (t) => expectTypeOf(t.source('s')).toEqualTypeOf<Stream<SourceRecord>>());
  const twice = map('twice', (n: number) => n * 2);
  expectTypeOf(twice).toExtend<Operator<number, number>>();
});
