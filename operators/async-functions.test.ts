import { describe, expect, it } from 'vitest';
import { defineOperator, type Operator, type Sides, type Stream, TestDriver } from '../engine/index.ts';
import * as operators from './index.ts';

interface Event {
  readonly id: string;
  readonly time_ms: number;
}

const keyOf = ({ id }: Event): string => id;
const timeOf = ({ time_ms }: Event): number => time_ms;
/** What a program without types, or with wrong ones, hands over. */
const late = (() => Promise.resolve(true)) as never;
const asynchronous = (async () => true) as never;

type Make = () => Operator<Event, unknown, Sides>;

const tumbling = operators.tumbling({ size_ms: 10 });
describe('an async function', () => {
  const given: readonly (readonly [string, () => unknown])[] = [
    ['map', () => operators.map('x', asynchronous)],
    ['map', () => operators.map<Event, unknown>('x', { each: asynchronous })],
    ['flat-map', () => operators.flatMap('x', { each: asynchronous })],
    ['filter', () => operators.filter<Event>('x', asynchronous)],
    ['branch', () => operators.split<Event, { a: () => boolean }>('x', { a: asynchronous })],
    ['sample', () => operators.sample<Event>('x', { rate: 1, idOf: asynchronous })],
    ['watermark', () => operators.watermark('x', { timeOf: asynchronous, outOfOrderness_ms: 0 })],
    ['dedup', () => operators.dedup<Event>('x', asynchronous)],
    ['json', () => operators.json('x', { parse: asynchronous })],
    [
      'window',
      () =>
        operators.window('x', {
          keyOf: asynchronous,
          timeOf,
          window: tumbling,
          aggregate: operators.count(),
        }),
    ],
    [
      'process',
      () =>
        operators.keyedProcess<Event, Event, number>('x', { keyOf, initial: () => 0, onEvent: asynchronous }),
    ],
    [
      'rate-limit',
      () => operators.rateLimit<Event>('x', { keyOf: asynchronous, timeOf, max_events: 1, per_ms: 1 }),
    ],
    [
      'pattern',
      () =>
        operators.pattern('x', { keyOf, timeOf, pattern: operators.begin<Event, 'a'>('a', asynchronous) }),
    ],
    ['to-jetstream', () => operators.toJetStream<Event>('x', { subject: asynchronous })],
    ['to-table', () => operators.toTable<Event, Event>('x', { keyOf, value: asynchronous })],
  ];
  it.each(given)('is refused by %s, when it is made', (kind, make) => {
    expect(make).toThrow(
      expect.objectContaining({
        code: 'async_function',
        message: expect.stringMatching(
          new RegExp(`^${kind} "x" was given an async function.*enrichingSource`),
        ) as unknown,
      }),
    );
  });

  it.each([
    ['sum', () => operators.sum<Event>(asynchronous)],
    ['sumExact', () => operators.sumExact<Event>(asynchronous)],
    ['avg', () => operators.avg<Event>(asynchronous)],
    ['variance', () => operators.variance<Event>(asynchronous)],
    ['min', () => operators.min<Event>(asynchronous)],
    ['max', () => operators.max<Event>(asynchronous)],
    ['distinct', () => operators.distinct<Event>(asynchronous)],
    ['distinctApprox', () => operators.distinctApprox<Event>(asynchronous)],
    ['quantiles', () => operators.quantiles<Event>(asynchronous, [0.5])],
    ['topK', () => operators.topK<Event>(1, asynchronous)],
    ['filtered', () => operators.filtered<Event, number, number>(asynchronous, operators.count())],
    ['mapResult', () => operators.mapResult(operators.count(), asynchronous)],
  ])('is refused by the aggregate %s', (name, make) => {
    expect(make).toThrow(`${name} was given an async function`);
  });
});

describe('a promise', () => {
  const made: readonly (readonly [string, Make])[] = [
    ['map', () => operators.map<Event, unknown>('x', { each: late })],
    [
      'flat-map',
      () =>
        operators.flatMap<Event, unknown>('x', {
          each: (_: Event, push: (out: unknown) => void) => push(Promise.resolve(1)),
        }),
    ],
    ['flat-map', () => operators.flatMap<Event, unknown>('x', { each: late })],
    ['filter', () => operators.filter<Event>('x', late)],
    ['branch', () => operators.split<Event, { a: () => boolean }>('x', { a: late })],
    [
      'process',
      () => operators.keyedProcess<Event, Event, number>('x', { keyOf, initial: () => 0, onEvent: late }),
    ],
    [
      'own',
      () =>
        defineOperator<Event, Event>({ kind: 'own', summary: '', start: () => ({ onBatch: late }) })(
          'x',
          undefined,
        ),
    ],
  ];
  it.each(made)('is refused from %s, by name', async (kind, make) => {
    const driver = await TestDriver.start<Event, unknown>((input) => input.pipe(make()));
    await expect(driver.push({ id: 'a', time_ms: 1 })).rejects.toMatchObject({
      code: 'async_function',
      message: expect.stringMatching(new RegExp(`^${kind} "x" gave a promise\\.`)) as unknown,
    });
  });

  it('that rejects ends no process', async () => {
    const driver = await TestDriver.start<Event, unknown>((input) =>
      input.pipe(operators.map<Event, unknown>('x', { each: () => Promise.reject(new Error('later')) })),
    );
    await expect(driver.push({ id: 'a', time_ms: 1 })).rejects.toMatchObject({ code: 'async_function' });
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('is kept out by the types', () => {
    const { map, flatMap, filter, keyedProcess } = operators;
    const refused = (input: Stream<Event>): void => {
      // @ts-expect-error async functions do not compile
      input.pipe(map('a', async (event) => event.id));
      // @ts-expect-error nor do those that give a promise now and then
      input.pipe(map('b', ({ id }) => (id === '' ? id : Promise.resolve(id))));
      // @ts-expect-error a function whose result is not used may not give one either
      flatMap<Event, string>('c', { each: async ({ id }, push) => push(id) });
      // @ts-expect-error as above
      const onEvent: operators.ProcessConfig<Event, Event, number>['onEvent'] = async () => {};
      // @ts-expect-error a promise is no boolean
      filter<Event>('e', async () => true);
      input.pipe(map('f', ({ id }) => id)).pipe(map('g', (id) => id.length));
      keyedProcess<Event, Event, number>('d', { keyOf, initial: () => 0, onEvent });
    };
    expect(refused).toBeTypeOf('function');
  });
});
