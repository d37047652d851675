import { describe, expect, it } from 'vitest';
import { type Operator, type Sides, type Stream, topology } from '../engine/index.ts';
import * as operators from './index.ts';

interface Event {
  readonly id: string;
  readonly time_ms: number;
}

const keyOf = ({ id }: Event): string => id;
const timeOf = ({ time_ms }: Event): number => time_ms;
const side = { keyOf, timeOf };
const join = (left: Event): Event => left;
const { count, global, tumbling } = operators;
const windowed = (window: operators.WindowSpec, trigger = operators.onWatermark()) =>
  operators.window<Event, operators.AggregateSpec<Event>>('waits', {
    keyOf,
    timeOf,
    window,
    trigger,
    aggregate: count(),
  });

type Make = () => Operator<Event, unknown, Sides>;
const waiting: readonly (readonly [string, Make])[] = [
  ['window', () => windowed(tumbling({ size_ms: 10 }))],
  ['window', () => windowed(operators.countWindow({ count: 3, idle_ms: 5 }))],
  ['window', () => windowed(global(), operators.earlyEvery(5))],
  ['window', () => windowed(tumbling({ size_ms: 10 }), operators.earlyEveryEvents(1))],
  [
    'pattern',
    () => operators.pattern('waits', { ...side, pattern: operators.begin<Event, 'a'>('a', () => true) }),
  ],
];

const parse = (input: Stream<unknown>, name = 'parse'): Stream<Event> =>
  input.pipe(operators.map(name, () => ({ id: '', time_ms: 0 })));
const time = (name = 'time') => operators.watermark<Event>(name, { timeOf, outOfOrderness_ms: 0 });

describe('what waits for event time', () => {
  it.each(waiting)('%s: a topology where none comes is refused', (kind, make) => {
    const without = () => topology('t', (t) => void parse(t.source('clicks')).pipe(make()));
    expect(without).toThrow(expect.objectContaining({ code: 'no_watermark' }));
    expect(without).toThrow(`"waits" (${kind})`);
    expect(without).toThrow('the source "clicks"');
    topology('t', (t) => void parse(t.source('clicks')).pipe(time(), make()));
  });

  it('process and what is made of it: where it has timers, or goes in the order of time', () => {
    const run = (config: Partial<operators.ProcessConfig<Event, Event, number>>) => () =>
      topology('t', (t) => {
        const made = operators.keyedProcess<Event, Event, number>('p', {
          ...{ keyOf, timeOf, initial: () => 0, onEvent: () => {} },
          ...config,
        });
        parse(t.source('clicks')).pipe(made);
      });
    expect(run({})).not.toThrow();
    expect(run({ onTimer: () => {} })).toThrow('"p" (process)');
    expect(run({ order: 'time' })).toThrow('"p" (process)');
    const limit = operators.rateLimit<Event>('limit', { ...side, max_events: 1, per_ms: 1 });
    expect(() => topology('t', (t) => void parse(t.source('clicks')).pipe(limit))).toThrow(
      '"limit" (rate-limit)',
    );
  });

  it('what counts events of a window that never ends needs none', () => {
    topology('t', (t) => void parse(t.source('s')).pipe(windowed(global(), operators.earlyEveryEvents(1))));
  });

  it('joins need one on both sides, and the side without is named', () => {
    const joins = [
      () =>
        operators.intervalJoin('j', { left: side, right: side, lower_ms: -1, upper_ms: 1, join } as never),
      () =>
        operators.windowJoin('j', {
          left: side,
          right: side,
          size_ms: 10,
          join,
        } as never),
      () => operators.temporalJoin('j', { left: side, right: side, join } as never),
      () => operators.streamJoin('j', { left: side, right: side, ttl_ms: 10, join } as never),
    ] as readonly (() => Operator<never, unknown, Sides>)[];
    for (const make of joins) {
      const made = make();
      const build = (left: boolean, right: boolean) => () =>
        topology('t', (t) => {
          const a = parse(t.source('orders'), 'a');
          const b = parse(t.source('payments'), 'b');
          const timed = [left ? a.pipe(time('time-a')) : a, right ? b.pipe(time('time-b')) : b] as const;
          timed[0].connect(timed[1], made as never);
        });
      expect(build(true, true), made.kind).not.toThrow();
      expect(build(true, false), made.kind).toThrow('the source "payments"');
      expect(build(false, true), made.kind).toThrow('the source "orders"');
      expect(build(false, false), made.kind).toThrow('the source "orders" and "payments"');
    }
  });

  it('goes by all inputs of a merge, and by side outputs', () => {
    const build = (timed: boolean) => () =>
      topology('t', (t) => {
        const a = parse(t.source('a'), 'pa').pipe(time('ta'));
        const b = parse(t.source('b'), 'pb');
        t.merge('all', a, timed ? b.pipe(time('tb')) : b).pipe(windowed(tumbling({ size_ms: 10 })));
      });
    expect(build(false)).toThrow('the source "b"');
    expect(build(true)).not.toThrow();
    topology('t', (t) => {
      const { late } = operators.branch(parse(t.source('a')).pipe(time()), 'by', { late: () => true });
      late.pipe(windowed(tumbling({ size_ms: 10 })));
    });
  });
});
