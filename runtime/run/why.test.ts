import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openManager } from '../../connectors/index.ts';
import { type Stream, topology } from '../../engine/index.ts';
import { dedup, map, toJetStream, toTable, toWindowTable } from '../../operators/index.ts';
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

const single = (stream: string, build: (things: Stream<Thing>) => void) =>
  topology(stream.toLowerCase(), (t) => build(events(t, stream)));

interface Case {
  readonly code: string;
  readonly place: string;
  /** Something that the sentence or the next step says. */
  readonly says: RegExp;
  seed(stream: string): Promise<Parameters<WhyBench['named']>[0]>;
}

/** A topology over one stream, and what is published to it. */
const seeded =
  (build: (things: Stream<Thing>) => void, things: readonly (Thing | string)[]): Case['seed'] =>
  async (stream) => {
    const app = await bench.start(single(stream, build));
    await bench.publish(`${stream.toLowerCase()}.x`, ...things);
    return app;
  };

const CASES: readonly Case[] = [
  {
    code: 'no_messages',
    place: 'source "no_messages" (stream NO_MESSAGES)',
    says: /no_messages\.>/,
    seed: seeded(table, []),
  },
  {
    code: 'filter_matches_none',
    place: 'source "filter_matches_none"',
    says: /None of the 2 messages.*filter_matches_none\.eu\.\*/,
    seed: async (stream) => {
      const low = stream.toLowerCase();
      const app = await bench.start(topology(low, (t) => table(events(t, stream, [`${low}.eu.*`]))));
      await bench.publish(`${low}.us.x`, thing('a'), thing('b'));
      return app;
    },
  },
  {
    code: 'filter_outside_stream',
    place: 'stream FILTER_OUTSIDE_STREAM',
    says: /reads elsewhere\.\*.*takes only filter_outside_stream\.>/,
    seed: async (stream) => {
      // A start refuses a filter that is outside from the first; the stream may be changed while it runs.
      const manager = await openManager(bench.link);
      const subjects = [`${stream.toLowerCase()}.>`];
      await manager.streams.add({ name: stream, subjects: [...subjects, 'elsewhere.*'] });
      const app = await bench.start(topology('outside', (t) => table(events(t, stream, ['elsewhere.*']))));
      await manager.streams.update(stream, { subjects });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      return app;
    },
  },
  {
    code: 'all_dead_letters',
    place: 'operator "parse-all-dead-letters"',
    says: /All 2 messages.*invalid_value/,
    seed: seeded(table, ['{"id":1}', '{"id":2}']),
  },
  {
    code: 'all_duplicates',
    place: 'operator "once"',
    says: /id that is known/,
    seed: async (stream) => {
      const dataDir = await bench.folder();
      const once = single(
        stream,
        (things) =>
          void table(
            things.pipe(dedup('once', { idOf: ({ id }) => id, timeOf: ({ at }) => at, retain_ms: HOUR_MS })),
          ),
      );
      const first = await bench.start(once, { dataDir });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      await first.caughtUp(TIMEOUT_MS);
      await first.stop();
      const app = await bench.start(once, { dataDir });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'), thing('a'));
      return app;
    },
  },
  {
    code: 'all_late',
    place: 'operator "hourly"',
    says: /3 of 4 items came behind the watermark/,
    seed: async (stream) => {
      const app = await seeded((things) => void timed(things).pipe(hourly()), [thing('a', 100)])(stream);
      await app.caughtUp(TIMEOUT_MS);
      await bench.publish(`${stream.toLowerCase()}.x`, thing('b'), thing('c', 1), thing('d', 2));
      return app;
    },
  },
  {
    code: 'no_watermark',
    place: 'operator "hourly"',
    says: /"time-b" \(source "no_watermark_b"\) has had no event/,
    seed: async (stream) => {
      const app = await bench.start(
        topology(stream.toLowerCase(), (t) => {
          const a = timed(events(t, stream), 'time-a');
          const b = timed(events(t, `${stream}_B`), 'time-b');
          t.merge('both', a, b).pipe(hourly());
        }),
      );
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'), thing('b', 5));
      return app;
    },
  },
  {
    code: 'watermark_held',
    place: 'operator "hourly"',
    says: /held back by "time-b" \(source "watermark_held_b"\)/,
    seed: async (stream) => {
      const app = await bench.start(
        topology(stream.toLowerCase(), (t) => {
          const a = timed(events(t, stream), 'time-a');
          const b = timed(events(t, `${stream}_B`), 'time-b');
          t.merge('both', a, b).pipe(hourly());
        }),
      );
      await bench.publish(`${stream.toLowerCase()}_b.x`, thing('b'));
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'), thing('b', 5));
      return app;
    },
  },
  {
    code: 'source_paused',
    place: 'operator "time-b"',
    says: /ahead in event time of the watermark "time-b"/,
    seed: async (stream) => {
      const app = await bench.start(
        topology(stream.toLowerCase(), (t) => {
          timed(events(t, stream), 'time-a').pipe(hourly());
          table(timed(events(t, `${stream}_B`), 'time-b'));
        }),
        { limits: { batch_max_events: 1 } },
      );
      await bench.publish(`${stream.toLowerCase()}_b.x`, thing('b'));
      await app.caughtUp(TIMEOUT_MS);
      const ahead = Array.from({ length: 5 }, (_, at) => thing(`a${at}`, 5 + at));
      await bench.publish(`${stream.toLowerCase()}.x`, ...ahead);
      return app;
    },
  },
  {
    code: 'join_waits',
    place: 'operator "both"',
    says: /nothing has come from "parse-join-waits-b"/,
    seed: async (stream) => {
      const app = await bench.start(joined(stream));
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      return app;
    },
  },
  {
    code: 'join_matches_none',
    place: 'operator "both"',
    says: /no two of them match/,
    seed: async (stream) => {
      const app = await bench.start(joined(stream));
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      await bench.publish(`${stream.toLowerCase()}_b.x`, thing('b'));
      return app;
    },
  },
  {
    code: 'behind_table_retention',
    place: 'operator "kept"',
    says: /retain_ms/,
    seed: async (stream) => {
      const kept = toWindowTable<Thing>('kept', {
        keyOf: ({ id }) => id,
        windowOf: ({ at }) => ({ start_ms: at, end_ms: at + HOUR_MS }),
        retain_ms: HOUR_MS,
      });
      const app = await seeded((things) => void timed(things).pipe(kept), [thing('a', 100)])(stream);
      await app.caughtUp(TIMEOUT_MS);
      await bench.publish(`${stream.toLowerCase()}.x`, thing('b'), thing('c', 1), thing('d', 2));
      return app;
    },
  },
  {
    code: 'stream_full',
    place: 'outbox, subject full.x',
    says: /takes no more messages/,
    seed: async (stream) => {
      const manager = await openManager(bench.link);
      await manager.streams.add({ name: 'FULL', subjects: ['full.x'], max_msgs: 1, discard: 'new' as never });
      await bench.publish('full.x', 'first');
      return await seeded(
        (things) => void things.pipe(toJetStream('out', { subject: 'full.x' })),
        [thing('a')],
      )(stream);
    },
  },
  {
    code: 'operator_failed',
    place: 'operator "broken"',
    says: /cannot take it/,
    seed: seeded(
      (things) =>
        void table(
          things.pipe(
            map('broken', (): Thing => {
              throw new TypeError('cannot take it');
            }),
          ),
        ),
      [thing('a')],
    ),
  },
  {
    code: 'all_records_fail',
    place: 'task',
    says: /put aside/,
    seed: async (stream) => {
      const broken = single(stream, (things) => {
        table(
          things.pipe(
            map('broken', (): Thing => {
              throw new TypeError('cannot take it');
            }),
          ),
        );
      });
      const app = await bench.start(broken, { failingRecords: 'deadLetter' });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      return app;
    },
  },
  {
    code: 'stream_missing',
    place: 'stream STREAM_MISSING',
    says: /not on the server/,
    seed: async (stream) => {
      const app = await seeded(table, [thing('a')])(stream);
      await app.caughtUp(TIMEOUT_MS);
      await (await openManager(bench.link)).streams.delete(stream);
      return app;
    },
  },
  {
    code: 'stream_recreated',
    place: 'stream STREAM_RECREATED',
    says: /deleted and made again/,
    seed: async (stream) => {
      const dataDir = await bench.folder();
      const first = await bench.start(single(stream, table), { dataDir });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      await first.caughtUp(TIMEOUT_MS);
      await first.stop();
      await (await openManager(bench.link)).streams.delete(stream);
      return await bench.start(single(stream, table), { dataDir });
    },
  },
  {
    code: 'position_before_stream',
    place: 'stream POSITION_BEFORE_STREAM',
    says: /not read yet/,
    seed: async (stream) => {
      const dataDir = await bench.folder();
      const first = await bench.start(single(stream, table), { dataDir });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      await first.caughtUp(TIMEOUT_MS);
      await first.stop();
      await bench.publish(`${stream.toLowerCase()}.x`, thing('b'), thing('c'), thing('d'));
      await (await openManager(bench.link)).streams.purge(stream, { seq: 4 });
      return await bench.start(single(stream, table), { dataDir });
    },
  },
  {
    code: 'topology_changed',
    place: 'topology',
    says: /topology diff/,
    seed: async (stream) => {
      const dataDir = await bench.folder();
      const first = await bench.start(single(stream, table), { dataDir });
      await bench.publish(`${stream.toLowerCase()}.x`, thing('a'));
      await first.caughtUp(TIMEOUT_MS);
      await first.stop();
      const renamed = single(
        stream,
        (things) => void things.pipe(toTable('other', { keyOf: ({ id }) => id })),
      );
      return await bench.start(renamed, { dataDir });
    },
  },
];

const joined = (stream: string) =>
  topology(stream.toLowerCase(), (t) => {
    const [left, right] = [events(t, stream), events(t, `${stream}_B`)];
    table(left.connect(right, bothOf()));
  });

describe('why', () => {
  it('names a server that has gone, and nothing else', { timeout: TIMEOUT_MS }, async () => {
    const own = await startTestNats();
    const app = await bench.start(single('AWAY', table), { natsUrl: own.url });
    await app.caughtUp(TIMEOUT_MS);
    await own.kill();
    expect((await bench.named(app, 'nats_away')).place).toBe(`NATS at ${own.url}`);
    expect((await app.why()).map(({ code }) => code)).toEqual(['nats_away']);
    await app.stop();
    await own.stop();
  });

  it.concurrent.each(CASES)(
    'names $code, and its place',
    { timeout: TIMEOUT_MS },
    async ({ code, place, says, seed }) => {
      const app = await seed(code.toUpperCase());
      const cause = await bench.named(app, code);
      expect(cause.place).toContain(place);
      expect(`${cause.sentence} ${cause.next}`).toMatch(says);
      await app.stop();
    },
  );
});
