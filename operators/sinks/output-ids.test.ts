import { describe, expect, it } from 'vitest';
import {
  type OutMessage,
  SeededRandom,
  type TestMessage,
  TopologyTestDriver,
  topology,
} from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { count } from '../aggregates/index.ts';
import { branch, flatMap, json, map, watermark } from '../core/index.ts';
import { keyedProcess } from '../process/index.ts';
import { tumbling, window } from '../windows/index.ts';
import { toCallback } from './to-callback.ts';
import { toJetStream } from './to-jetstream.ts';

interface Event {
  readonly at: number;
  readonly key: string;
}

const DISORDER_MS = 20;
const SIZE_MS = 50;

/** Results of records, alone and merged; of windows; of events in the order of time, and of timers. */
const everything = (filter?: string) =>
  topology('ids', (t) => {
    const source = { kind: 'pushed', name: 'in', options: {} };
    const events = t
      .source(filter === undefined ? source : { ...source, definition: { filter } })
      .pipe(json('parse', { parse: (value) => value as Event }));
    const twice = events.pipe(
      flatMap<Event, unknown>('twice', {
        each: (_, push) => {
          push({ kind: 'same' });
          push({ kind: 'same' });
        },
      }),
    );
    const ways = branch(events, 'ways', { left: ({ key }) => key === 'a' });
    t.merge<unknown>('all', twice, ways.left.pipe(map('as-it-is', (event): unknown => event))).pipe(
      toJetStream('merged', { subject: 'merged' }),
    );
    const timed = events.pipe(watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: DISORDER_MS }));
    timed
      .pipe(
        window('sizes', {
          keyOf: () => 'all',
          timeOf: ({ at }) => at,
          window: tumbling({ size_ms: SIZE_MS }),
          aggregate: { n: count() },
        }),
      )
      .pipe(toJetStream('closed', { subject: 'closed' }));
    timed
      .pipe(
        keyedProcess<Event, string, number>('in-order', {
          keyOf: ({ key }) => key,
          timeOf: ({ at }) => at,
          order: 'time',
          initial: () => 0,
          onEvent: (event, { state, setState, emit, timers }) => {
            setState(state + 1);
            emit(`event of ${event.key}`);
            timers.set(event.at + 7);
          },
          onTimer: (_, { state, key, emit }) => emit(`${key} has ${state}`),
        }),
      )
      .pipe(toCallback('told'));
  });

const messageOf = (event: Event): TestMessage => ({ subject: 'in.x', json: event });
const textOf = ({ payload }: OutMessage): string => Buffer.from(payload).toString();
const pairsOf = (sent: readonly OutMessage[]): string[] =>
  [...new Set(sent.map((message) => `${message.id} ${textOf(message)}`))].sort();
const idsOf = (sent: readonly OutMessage[], sink: string): string[] =>
  sent.filter(({ id }) => id.startsWith(`ids-${sink}-`)).map(({ id }) => id);

/** Each message alone, and a commit at the end. */
async function straight(events: readonly Event[]): Promise<readonly OutMessage[]> {
  const driver = await TopologyTestDriver.start(everything());
  for (const event of events) await driver.push(messageOf(event));
  driver.commit();
  return driver.sent;
}

/** In batches, with commits and restarts, and now and then from an older state once more. */
async function anyWay(events: readonly Event[], seed: number): Promise<readonly OutMessage[]> {
  const random = new SeededRandom(seed);
  const sent: OutMessage[] = [];
  let driver = await TopologyTestDriver.start(everything());
  let older = { snapshot: driver.snapshot(), at: 0 };
  for (let at = 0; at < events.length; ) {
    const batch = events.slice(at, at + random.int(1, 9));
    await driver.push(...batch.map(messageOf));
    at += batch.length;
    if (!random.chance(0.4)) continue;
    driver.commit();
    sent.push(...driver.sent);
    const snapshot = driver.snapshot();
    if (random.chance(0.3)) {
      driver = await TopologyTestDriver.start(everything(), { snapshot: older.snapshot });
      at = older.at;
    } else if (random.chance(0.5)) driver = await TopologyTestDriver.start(everything(), { snapshot });
    else driver.sent.length = 0;
    if (random.chance(0.4)) older = { snapshot: driver.snapshot(), at };
  }
  driver.commit();
  return [...sent, ...driver.sent];
}

describe('ids of what is sent', () => {
  it('are those of the place, wherever batches, commits and restarts are', async () => {
    const events = fc.array(
      fc.record({ at: fc.integer({ min: 0, max: DISORDER_MS }), key: fc.constantFrom('a', 'b') }),
      { minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(events, fc.integer(), async (given, seed) => {
        // Later ones are later, by more or less: none comes behind the watermark.
        const all = given.map(({ at, key }, place) => ({ at: 1_000 + place * 5 + at, key }));
        const expected = await straight(all);
        expect(new Set(expected.map(({ id }) => id)).size).toBe(expected.length);
        expect(idsOf(expected, 'merged')).toHaveLength(
          2 * all.length + all.filter(({ key }) => key === 'a').length,
        );
        expect(pairsOf(await anyWay(all, seed))).toEqual(pairsOf(expected));
      }),
      { numRuns: 60 },
    );
  });

  it('are others for a task that reads something else, also of windows and timers of the same name', async () => {
    const sent = await Promise.all(
      ['in.0', 'in.1'].map(async (filter) => {
        const driver = await TopologyTestDriver.start(everything(filter));
        for (let at = 1_000; at < 1_500; at += 10) await driver.push(messageOf({ at, key: 'a' }));
        driver.commit();
        return [...idsOf(driver.sent, 'closed'), ...idsOf(driver.sent, 'told')];
      }),
    );
    const [left = [], right = []] = sent;
    expect(left.length).toBeGreaterThan(50);
    expect(right).toHaveLength(left.length);
    expect(left.filter((id) => right.includes(id))).toEqual([]);
  });

  it('are two for a timer that fires once more for a time that has passed', async () => {
    const late = topology('late', (t) => {
      t.source('in')
        .pipe(json('parse', { parse: (value) => value as Event }))
        .pipe(watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 0 }))
        .pipe(
          keyedProcess<Event, string, number>('again', {
            keyOf: ({ key }) => key,
            timeOf: ({ at }) => at,
            initial: () => 0,
            onEvent: (_, { timers }) => timers.set(1_500),
            onTimer: (_, { emit }) => emit('same'),
          }),
        )
        .pipe(toJetStream('out', { subject: 'out' }));
    });
    let driver = await TopologyTestDriver.start(late);
    const sent: string[] = [];
    for (const at of [1_000, 2_000, 3_000, 4_000]) {
      await driver.push(messageOf({ at, key: 'a' }));
      driver.commit();
      sent.push(...driver.sent.map(({ id }) => id));
      driver = await TopologyTestDriver.start(late, { snapshot: driver.snapshot() });
    }
    // What one driver owed, the next sends again.
    expect(new Set(sent).size).toBe(3);
  });
});
