import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jetstream, openManager } from '../../connectors/index.ts';
import { type Stream, type Topology, topology } from '../../engine/index.ts';
import { json, map, subjectOf, toJetStream } from '../../operators/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { events, type Thing, thing, WhyBench } from './fixture-why.ts';
import type { RunOptions } from './run-options.ts';

const TIMEOUT_MS = 60_000;

let nats: TestNats;
let bench: WhyBench;
beforeAll(async () => {
  nats = await startTestNats();
  bench = await WhyBench.on(nats.url);
}, TIMEOUT_MS);
afterAll(async () => {
  await bench.close();
  await nats.stop();
});

const over = (stream: string, build: (things: Stream<Thing>) => unknown, filter: string[] = []): Topology =>
  topology(stream.toLowerCase(), (t) => void build(events(t, stream, filter)));
const sink = (subject: string, options: { readonly feedback?: boolean } = {}) =>
  toJetStream<Thing>('out', { subject, ...options });

/** What a start says: the error that it ends with, or what it logs. */
async function startOf(tried: Topology, options: Partial<RunOptions> = {}): Promise<readonly string[]> {
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  try {
    await (await bench.start(tried, { ...options, log })).stop();
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return [`refused: ${message} [${code}]`];
  }
  return lines.filter((line) => /\[\w+\]$/.test(line));
}

describe('a start refuses', () => {
  const refused: readonly [string, () => Topology, RegExp][] = [
    [
      'a filter that the stream can have nothing of',
      () => over('OUTSIDE', (things) => things.pipe(map('id', ({ id }) => id)), ['elsewhere.*', 'outsid.x']),
      /source "outside".*reads elsewhere\.\*, outsid\.x.*takes only outside\.>.*\[filter_outside_stream\]$/,
    ],
    [
      'a sink whose messages the source before it reads',
      () => over('BACK', (things) => things.pipe(sink('back.out'))),
      /operator "out".*sends to back\.out.*source "back".*BACK: back\.>.*feedback: true.*\[subject_loop\]$/,
    ],
    [
      'the same of a subject with parts of the item',
      () =>
        over('PARTS', (things) =>
          things.pipe(toJetStream('out', { subject: subjectOf`parts.of-${({ id }: Thing) => id}.x` })),
        ),
      /sends to parts\.\*\.x.*\[subject_loop\]$/,
    ],
    [
      'dead letters of what the source reads among dead letters',
      () =>
        topology('letters', (t) => {
          const read = jetstream('DEADLETTER', { subjects: ['deadletter.>'], name: 'letters' });
          t.source(read).pipe(json('parse', { parse: (value) => value }));
        }),
      /Its dead letters go to deadletter\.default.*source "letters".*\[subject_loop\]$/,
    ],
  ];
  it.each(refused)('%s', async (_, make, says) => {
    expect(await startOf(make())).toEqual([expect.stringMatching(says)]);
  });

  it('records put aside that the source would read again', async () => {
    const read = jetstream('DEADLETTER', { subjects: ['deadletter.>'], name: 'letters' });
    const made = topology('aside', (t) => void t.source(read).pipe(map('size', ({ data }) => data.length)));
    expect(await startOf(made)).toEqual([]);
    const [said] = await startOf(made, { failingRecords: 'deadLetter' });
    expect(said).toMatch(/deadletter\.default.*\[subject_loop\]$/);
  });

  it('a stream that the server does not make, with its words, and names that none can have', async () => {
    expect(
      await startOf(
        over('EVERYTHING', () => undefined),
        { streams: { ALL: ['>'] } },
      ),
    ).toEqual([
      expect.stringMatching(/does not make the stream "ALL" for >.*\[(stream_refused|stream_conflict)\]$/),
    ]);
    expect(
      await startOf(
        over('NAMES', () => undefined),
        { streams: { 'a.b': ['names-out'] } },
      ),
    ).toEqual([expect.stringMatching(/"a\.b" is no name of a stream.*\[bad_stream_name\]$/)]);
    expect(() => jetstream('orders.>', { subjects: ['orders.>'] })).toThrow(/belongs into subjects/);
    expect(() => jetstream('ORDERS', { subjects: ['orders.>'], filter: ['orders.eu*'] })).toThrow(
      /"orders.eu\*"/,
    );
  });
});

describe('a start does not refuse', () => {
  it('what comes back where it is meant, goes past the filter, or only may come back', async () => {
    const fine = [
      over('MEANT', (things) => things.pipe(sink('meant.again', { feedback: true }))),
      over('PAST', (things) => things.pipe(sink('past.out')), ['past.in.>']),
      over(
        'MAY',
        (things) => things.pipe(toJetStream('out', { subject: subjectOf`may.${({ id }: Thing) => id}` })),
        ['may.in'],
      ),
      // Of another source: what it reads leads nowhere.
      topology('two', (t) => {
        events(t, 'TWO_A').pipe(sink('two_b.x'));
        events(t, 'TWO_B');
      }),
    ];
    for (const made of fine) expect([made.name, await startOf(made)]).toEqual([made.name, []]);
  });

  it('a filter of subjects that the stream had once, or has from elsewhere', async () => {
    const manager = await openManager(bench.link);
    await manager.streams.add({ name: 'ONCE', subjects: ['once.>', 'old.>'] });
    await bench.publish('old.x', thing('a'));
    await manager.streams.update('ONCE', { subjects: ['once.>'] });
    const filtered = (stream: string) => over(stream, (things) => things, ['old.x']);
    expect(await startOf(filtered('ONCE'))).toEqual([]);
    await manager.streams.add({ name: 'FED', subjects: ['fed.>'], sources: [{ name: 'ONCE' }] });
    expect(await startOf(filtered('FED'))).toEqual([]);
  });

  it('a subject that no stream takes yet: it says so, sends when one does, and why names it until then', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const made = over('LATER', (things) =>
      things.pipe(toJetStream('out', { subject: subjectOf`later-out.${({ id }: Thing) => id}` })),
    );
    expect(await startOf(made)).toEqual([
      expect.stringMatching(/operator "out": No stream.*takes later-out\.\*.*\[no_stream_for_subject\]$/),
    ]);
    const app = await bench.start(made);
    await bench.publish('later.x', thing('a'));
    await bench.named(app, 'no_stream_for_subject');
    const manager = await openManager(bench.link);
    await manager.streams.add({ name: 'LATER_OUT', subjects: ['later-out.>'] });
    await expect
      .poll(async () => (await manager.streams.info('LATER_OUT')).state.messages, { timeout: TIMEOUT_MS })
      .toBe(1);
    await app.stop();
    expect(await startOf(made)).toEqual([]);
  });

  it('a filter of which one subject is outside: it says which', async () => {
    const made = over('PARTLY', (things) => things, ['partly.a', 'partli.b']);
    expect(await startOf(made)).toEqual([
      expect.stringMatching(/reads partli\.b, .*\[filter_outside_stream\]$/),
    ]);
  });
});
