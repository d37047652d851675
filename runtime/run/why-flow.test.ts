import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Builder, defineOperator, type Stream, topology } from '../../engine/index.ts';
import {
  branch,
  dedup,
  filter,
  flatMap,
  lookup,
  toJetStream,
  toWindowTable,
  watermark,
} from '../../operators/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { bothOf, events, HOUR_MS, hourly, type Thing, table, thing, timed, WhyBench } from './fixture-why.ts';

const TIMEOUT_MS = 60_000;

let nats: TestNats;
let bench: WhyBench;
beforeAll(async () => {
  nats = await startTestNats();
  bench = await WhyBench.on(nats.url);
});
afterAll(async () => {
  await bench.close();
  await nats.stop();
});

/** An operator of somebody's own that says it moves event time, and does not. */
const promises = defineOperator<Thing, Thing>({
  kind: 'promises',
  summary: 'Things as they came',
  ownsWatermark: true,
  start: ({ emit }) => ({ onBatch: (batch) => emit(batch) }),
});

/** Several ways from one source, each of which ends in another way. */
const WAYS = topology('ways', (t) => {
  const things = events(t, 'WAYS');
  table(things.pipe(filter('none', () => false)));
  things.pipe(promises('promises', undefined)).pipe(hourly('timeless'));
  timed(things).pipe(hourly('open'));
  const believed = { timeOf: ({ at }: Thing) => at + 1e13, outOfOrderness_ms: 0, max_ahead_ms: HOUR_MS };
  things.pipe(watermark('ahead', believed)).pipe(hourly('unbelieved'));
  const nobody = { type: 'inner', keyOf: ({ id }: Thing) => id, table: new Map<string, string>() } as const;
  things.pipe(lookup('unknown', { ...nobody, join: (one: Thing) => one }));
  things.pipe(flatMap<Thing, Thing>('empty', { each: () => undefined }));
  things.pipe(toJetStream('out', { subject: 'nobody.takes' }));
});

/** The causes of the ways, and something that each says. */
const EXPECTED: readonly (readonly [code: string, place: string, says: RegExp])[] = [
  ['all_filtered', 'operator "none"', /all 2 items/],
  ['no_watermark_operator', 'operator "timeless"', /nothing before it makes a watermark/],
  ['window_open', 'operator "open"', /reaches 2026-01-01T01:00:00\.000Z; it is at 2026-01-01T00:00:00\.000Z/],
  ['times_not_believed', 'operator "unbelieved"', /times of all 2 events at "ahead"/],
  ['lookup_finds_nothing', 'operator "unknown"', /none of the 2 items/],
  ['operator_gives_nothing', 'operator "empty"', /gave nothing for any/],
  ['no_stream_for_subject', 'outbox, subject nobody.takes', /--stream NAME=nobody\.takes/],
];

/** Ten topologies in which something comes out at every end. */
const HEALTHY: Readonly<Record<string, (things: Stream<Thing>, t: Builder, stream: string) => void>> = {
  table,
  filtered: (things) => void table(things.pipe(filter('some', ({ id }) => id === 'a'))),
  deduplicated: (things) =>
    void table(
      things.pipe(dedup('once', { idOf: ({ id }) => id, timeOf: ({ at }) => at, retain_ms: 9 * HOUR_MS })),
    ),
  windowed: (things) =>
    void timed(things)
      .pipe(hourly())
      .pipe(
        toWindowTable('kept', {
          keyOf: ({ key }) => key,
          windowOf: ({ window: of }) => of,
          retain_ms: 9 * HOUR_MS,
        }),
      ),
  joined: (things) => {
    const left = things.pipe(filter('left', ({ id }) => id !== 'c'));
    const right = things.pipe(filter('right', ({ id }) => id !== 'b'));
    table(left.connect(right, bothOf()));
  },
  branched: (things) => {
    const ways = branch(things, 'ways', {
      a: (one: Thing) => one.id === 'a',
      b: (one: Thing) => one.id === 'b',
    });
    table(ways.a);
  },
  looked_up: (things) =>
    void table(
      things.pipe(
        lookup('named', {
          type: 'inner',
          keyOf: ({ id }) => id,
          table: new Map([['a', 'A']]),
          join: (one) => one,
        }),
      ),
    ),
  sent: (things, _, stream) =>
    void things.pipe(toJetStream('out', { subject: `out.${stream.toLowerCase()}` })),
  merged: (things, t, stream) => {
    const a = timed(things, 'time-a');
    const b = timed(events(t, `${stream}_B`), 'time-b');
    t.merge('both', a, b).pipe(hourly());
  },
  flattened: (things) =>
    void table(
      things.pipe(
        flatMap<Thing, Thing>('twice', {
          each: (one, push) => {
            push(one);
            push({ ...one, id: `${one.id}2` });
          },
        }),
      ),
    ),
};

describe('why, of what flows', () => {
  it('names each of several at once, and nothing else', { timeout: TIMEOUT_MS }, async () => {
    const app = await bench.start(WAYS);
    await bench.publish('ways.x', thing('a'), thing('b'));
    await app.caughtUp(TIMEOUT_MS);
    await bench.named(app, 'no_stream_for_subject');
    const causes = await app.why();
    expect(causes.map(({ code, place }) => [code, place]).sort()).toEqual(
      EXPECTED.map(([code, place]) => [code, place]).sort(),
    );
    for (const [code, , says] of EXPECTED) {
      const cause = causes.find((each) => each.code === code);
      expect(`${cause?.sentence} ${cause?.next}`).toMatch(says);
    }
    await app.stop();
  });

  it.concurrent.each(Object.entries(HEALTHY))(
    'names nothing where all is well: %s',
    { timeout: TIMEOUT_MS },
    async (name, build) => {
      const stream = `WELL_${name.toUpperCase()}`;
      const low = stream.toLowerCase();
      const app = await bench.start(
        topology(low, (t) => build(events(t, stream, name === 'filtered' ? [`${low}.x`] : []), t, stream)),
        { streams: { [`${stream}_OUT`]: [`out.${low}`] } },
      );
      await bench.publish(`${low}.x`, thing('a'), thing('b', 1), thing('a', 2), thing('c', 3));
      if (name === 'merged') await bench.publish(`${low}_b.x`, thing('a'), thing('z', 9));
      await app.caughtUp(TIMEOUT_MS);
      expect(await app.why()).toEqual([]);
      expect(app.facts()).toMatchObject({ state: 'running', sends: [] });
      await app.stop();
    },
  );
});
