import {
  type Builder,
  defineOperator,
  type Either,
  itemText,
  type LogMessage,
  type Operator,
  SeededRandom,
  type Sides,
  type SourceRecord,
  type Stream,
  stringCodec,
  type Topology,
  topology,
} from '../engine/index.ts';
import {
  avg,
  collect,
  count,
  distinct,
  distinctApprox,
  first,
  last,
  max,
  min,
  quantiles,
  sum,
  sumExact,
  topK,
  variance,
} from './aggregates/index.ts';
import { branch, decode, filter, flatMap, json, map, sample, watermark } from './core/index.ts';
import { dedup } from './dedup/index.ts';
import {
  anyItems,
  type Item,
  keyed,
  keyOf,
  type PropertyCase,
  sidesOf,
  timeOf,
} from './fixture-properties.ts';
import { intervalJoin, lookup, lookupJoin } from './joins/index.ts';
import { keyedProcess } from './process/index.ts';
import { toCallback, toJetStream } from './sinks/index.ts';
import { keyedFacts } from './views/facts/index.ts';
import { earlyEvery, hopping, session, window } from './windows/index.ts';

/** What is put into a log, and how it is read. */
export interface OrderedCase extends Pick<PropertyCase, 'name' | 'kinds'> {
  build(input: Stream<Item>, t: Builder): Stream<unknown, Sides>;
  /** By this event times are longer than those of the items: rows that expire do so by days. Default: 1. */
  readonly scale?: number;
  /** What comes before the watermark: `build` then has no time. Default: behind it. */
  readonly isBefore?: true;
}

const DISORDER_MS = 8;
const IDLE_MS = 5;
const STEP_MS = 3;
const DAY_MS = 86_400_000;

/**
 * Items as they arrive, out of the order of their times, some too late, some twice and some that are no items; and ticks
 * where nothing comes for a while.
 */
export function logOf(seed: number, count: number, scale: number): readonly LogMessage[] {
  const random = new SeededRandom(seed);
  const arriving = anyItems(random, count)
    .map((item) => ({ item, at_ms: item.time_ms + random.int(0, random.chance(0.1) ? 30 : DISORDER_MS) }))
    .sort((a, b) => a.at_ms - b.at_ms);
  let stored_ms = 0;
  return arriving.flatMap(({ item, at_ms }): LogMessage[] => {
    stored_ms = Math.max(stored_ms, at_ms * scale);
    const text = JSON.stringify({ ...item, time_ms: item.time_ms * scale });
    const message = { subject: 'p.0.item', data: Buffer.from(text), stored_ms };
    const messages: LogMessage[] = random.chance(0.15) ? [message, message] : [message];
    if (random.chance(0.05)) messages.push({ ...message, data: Buffer.from('{') });
    if (random.chance(0.15)) {
      stored_ms += random.int(1, 9) * scale;
      messages.push({ subject: 'p.0.tick', data: new Uint8Array(0), stored_ms });
    }
    return messages;
  });
}

/** The topology of a case: items of the log, the watermark, what is tested, and a sink for what it gives. */
export function topologyOf({ build, scale = 1, isBefore }: OrderedCase): Topology {
  return topology('ordered', (t) => {
    const items = t.source('log').pipe(json<Item>('items', { parse: (value) => value as Item }));
    const time = <A>() =>
      watermark<A>('time', {
        timeOf: (item) => (item as Partial<Item>).time_ms ?? 0,
        outOfOrderness_ms: DISORDER_MS * scale,
        idle_ms: IDLE_MS * scale,
        step_ms: STEP_MS * scale,
      });
    const given =
      isBefore === true ? build(items, t).pipe(time<unknown>()) : build(items.pipe(time<Item>()), t);
    given.pipe(
      toJetStream<unknown>('sent', { subject: 'out', encode: (item) => Buffer.from(itemText(item)) }),
    );
  });
}

const joinedBy = (join: Operator<Either<Item, Item>, string, Sides>) => (input: Stream<Item>) => {
  const [left, right] = sidesOf(input);
  return left.connect(right, join);
};

const recordOf = (item: Item): SourceRecord => ({
  ...{ sequence: Number(item.id), subject: item.kind, data: Buffer.from(item.id) },
  ...{ hasHeaders: false, header: () => undefined },
});

/** How often each key came so far, and when the log was then: a process in the order of arrival. */
const counting = () =>
  keyedProcess<Item, string, number>('process', {
    keyOf,
    initial: () => 0,
    cacheRows: 2,
    onEvent: ({ key, id }, { state, setState, emit, now_ms, watermark_ms, timers }) => {
      setState(state + 1);
      // Also for a time that has passed: it fires with the next watermark.
      timers.set(Math.max(0, now_ms - 4));
      emit(`${key} ${id} ${state + 1} ${now_ms} ${watermark_ms}`);
    },
    onTimer: (time_ms, { key, state, emit, now_ms }) => emit(`${key} ${time_ms} ${state} ${now_ms}`),
  });

/** Sets timers for times that may have passed: they fire with the next watermark. */
const telling = defineOperator<Item, string>({
  kind: 'tell',
  summary: 'Says what fires, and each watermark',
  start: ({ timers, emit, cursor }) => ({
    onBatch: (items) => {
      for (const { time_ms, id } of items) timers.set(Math.max(0, time_ms - 20), id);
    },
    onTimer: (time_ms, id) => emit([`${id} ${time_ms} at ${cursor.sequence}`]),
    onWatermark: (time_ms) => emit([`watermark ${time_ms}`]),
  }),
});

/** Says which watermark it began with: before the operator that makes it there is none, restart or not. */
const beginning = defineOperator<Item, Item & { readonly began_ms: number | null }>({
  kind: 'begin',
  summary: 'Says which watermark it began with',
  start: ({ emit, initialWatermark_ms }) => {
    let began_ms = initialWatermark_ms;
    return {
      onBatch: (items) => emit(items.map((item) => ({ ...item, began_ms }))),
      onWatermark: (time_ms) => {
        began_ms = time_ms;
      },
    };
  },
});

const pair = (left: Item, right: Item | undefined): string => `${left.id}+${right?.id ?? ''}`;

const amountOf = ({ amount }: Item): number => amount;
const aggregate = {
  ...{ count: count(), sum: sum(amountOf), avg: avg(amountOf), variance: variance(amountOf) },
  ...{ min: min(amountOf), max: max(amountOf), quantiles: quantiles(amountOf, [0.1, 0.5, 0.9]) },
  ...{ first: first<Item>(), last: last<Item>(), some: collect<Item>(3) },
  exact: sumExact(({ id }: Item) => Number(id)),
  distinct: distinct(({ kind }: Item) => kind),
  about: distinctApprox(({ id }: Item) => id),
  top: topK<Item>(2, amountOf),
};

/** Kinds without state, ways that part and meet, rows that expire, and what asks for the time: beside `properties.test.ts`. */
export const ORDERED_CASES: readonly OrderedCase[] = [
  {
    name: 'map, filter, flat-map, sample and lookup',
    kinds: ['map', 'filter', 'flat-map', 'sample', 'lookup', 'json', 'watermark'],
    build: (input) =>
      input.pipe(
        map('map', (item: Item) => ({ ...item, amount: item.amount * 2 })),
        filter('filter', ({ amount }) => amount > 0),
        flatMap('flat-map', {
          each: (item: Item, push: (out: Item) => void) => {
            push(item);
            push({ ...item, id: `${item.id}b` });
          },
        }),
        sample('sample', { rate: 0.7, idOf: ({ id }) => id }),
        lookup('lookup', {
          keyOf,
          table: new Map([['a', 'A']]),
          type: 'left',
          join: ({ id }, row: string | undefined) => `${id} ${row}`,
        }),
      ),
  },
  {
    name: 'ways that part and meet',
    kinds: ['branch', 'merge', 'side-output', 'to-callback'],
    build: (input, t) => {
      const { carts, pays } = branch(input, 'kinds', {
        carts: ({ kind }) => kind === 'cart',
        pays: ({ kind }) => kind === 'pay',
      });
      carts.pipe(toCallback<Item>('carts'));
      const doubled = pays.pipe(
        flatMap('twice', {
          each: ({ id }: Item, push: (out: string) => void) => {
            push(id);
            push(`${id}b`);
          },
        }),
      );
      return t.merge('met', input.pipe(map('ids', ({ id }: Item) => id)), doubled);
    },
  },
  {
    name: 'a process in the order of arrival, with the clock and late timers',
    kinds: ['process', 'connect'],
    build: (input) => input.pipe(counting()),
  },
  {
    name: 'an operator of its own with late timers, that says each watermark',
    kinds: [],
    build: (input) => input.pipe(telling('tell', undefined)),
  },
  {
    name: 'time before the watermark',
    kinds: [],
    isBefore: true,
    build: (input) => input.pipe(beginning('begin', undefined)),
  },
  {
    name: 'a process before the watermark, with the clock',
    kinds: ['process'],
    isBefore: true,
    build: (input) =>
      input.pipe(
        keyedProcess<Item, Item & { readonly now_ms: number; readonly before: number }, number>('process', {
          keyOf,
          initial: () => 0,
          onEvent: (item, { state, setState, emit, now_ms }) => {
            setState(state + 1);
            emit({ ...item, now_ms, before: state });
          },
        }),
      ),
  },
  {
    name: 'decode, with rejections and the clock',
    kinds: ['decode'],
    build: (input) =>
      input.pipe(
        map('records', (item: Item) => recordOf(item)),
        decode<string>('decode', {
          decoder: () => (record, now_ms, out) => {
            if (record.subject === 'refund') {
              out.reject(
                { tenant: 'default', record, part: 0 },
                { code: 'no', detail: `${now_ms}` },
                record.data,
              );
            } else out.accept(`${record.subject} ${now_ms}`);
          },
        }),
      ),
  },
  ...[0, 3].map(
    (memory_ids): OrderedCase => ({
      name: `dedup with ${memory_ids} ids in memory`,
      kinds: ['dedup'],
      // Some repeats are of the same day, and some of another one.
      scale: DAY_MS / 20,
      build: (input, t) => {
        const passed = input.pipe(
          dedup<Item>('dedup', {
            idOf: ({ key, kind }) => `${key} ${kind}`,
            contentOf: ({ side }) => side,
            ...{ timeOf, memory_ids, retain_ms: Number.POSITIVE_INFINITY },
            conflict: ({ id }) => ({ id, subject: 'conflicts', headers: {}, payload: Buffer.from(id) }),
          }),
        );
        return t.merge('all', passed, passed.side('duplicates'));
      },
    }),
  ),
  {
    name: 'every aggregate',
    kinds: ['window'],
    build: (input) =>
      input.pipe(
        window('w', { ...keyed, window: hopping({ size_ms: 12, hop_ms: 4 }), aggregate, max_cached_rows: 2 }),
      ),
  },
  {
    name: 'every aggregate of sessions, early and late',
    kinds: ['window'],
    build: (input) =>
      input.pipe(
        window('w', {
          ...{ ...keyed, window: session({ gap_ms: 3 }), aggregate, max_cached_rows: 2 },
          ...{ allowedLateness_ms: 9, trigger: earlyEvery(2) },
        }),
      ),
  },
  {
    name: 'interval-join over many buckets',
    kinds: ['interval-join'],
    build: joinedBy(
      intervalJoin('join', {
        ...{ left: keyed, right: keyed, type: 'outer', cache_rows: 2 },
        join: (left: Item | undefined, right: Item | undefined) => `${left?.id}+${right?.id}`,
        ...{ lower_ms: -60, upper_ms: 60, bucket_ms: 4 },
      }),
    ),
  },
  {
    name: 'lookup-join, rows for ever',
    kinds: ['lookup-join'],
    build: joinedBy(
      lookupJoin('join', { left: keyed, right: keyed, type: 'left', join: pair, cache_rows: 2 }),
    ),
  },
  {
    name: 'lookup-join, rows that expire',
    kinds: ['lookup-join'],
    scale: DAY_MS / 2,
    build: joinedBy(
      lookupJoin('join', {
        ...{ left: keyed, right: keyed, type: 'left', join: pair, cache_rows: 2 },
        retain_ms: 2 * DAY_MS,
      }),
    ),
  },
  {
    name: 'lookup-join before the watermark, rows that expire',
    kinds: ['lookup-join'],
    scale: DAY_MS / 2,
    isBefore: true,
    build: joinedBy(
      lookupJoin('join', {
        ...{ left: keyed, right: keyed, type: 'left', join: pair, cache_rows: 2 },
        retain_ms: 2 * DAY_MS,
      }),
    ),
  },
  {
    name: 'keyed facts that are forgotten',
    kinds: ['keyed-facts'],
    scale: DAY_MS / 2,
    build: (input) =>
      input.pipe(
        keyedFacts<Item, string>('facts', {
          entities: [
            {
              name: 'key',
              slots: ['any', 'pay'],
              slotsOf: ({ kind }) => (kind === 'pay' ? [0, 1] : [0]),
              keyOf,
            },
          ],
          scopeOf: ({ side }) => side,
          timeOf,
          tieOf: ({ id }) => Number(id),
          payloadOf: ({ id }) => id,
          payloadCodec: stringCodec,
          version: 1,
          retain_ms: 2 * DAY_MS,
          cacheRows: 2,
        }),
      ),
  },
];
