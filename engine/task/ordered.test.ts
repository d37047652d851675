import { describe, expect, it } from 'vitest';
import { ManualClock } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, type Stream, type Tick, type Topology, topology } from '../graph/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { Task } from './task.ts';

const record = (sequence: number, text: string, stored_ms: number): SourceRecord => ({
  ...{ sequence, stored_ms, subject: `p.0.${text === '' ? 'tick' : 'text'}`, data: Buffer.from(text) },
  ...{ hasHeaders: false, header: () => undefined },
});

/** A task of one log of texts; an empty one is a tick. Each is stored a second after the one before. */
async function taskOf(built: Topology, texts: readonly string[], disk = new MemoryDisk()) {
  const records = texts.map((text, at) => record(at + 1, text, 1_000 * (at + 1)));
  let next = 0;
  const task = new Task({
    topology: built,
    source: {
      partition: '0',
      facts: async () => ({
        ...{ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence: records.length },
      }),
      start: async (after) => {
        next = after;
      },
      take: async ({ max }) => {
        const taken = records.slice(next, next + max);
        next += taken.length;
        return taken;
      },
      state: () => ({ headSequence: records.length, caughtUp: true, connected: true, skipped: 0 }),
      stop: async () => undefined,
    },
    store: disk.open(),
    publisher: { publish: async () => undefined },
    // What the machine's clock says must not matter.
    clock: new ManualClock(77),
    ordered: true,
  });
  await task.open();
  return task;
}

interface Seen {
  readonly text: string;
  readonly sequence: number;
  readonly now_ms: number;
}

const seeing = (seen: Seen[], ticks: Tick[]) =>
  defineOperator<SourceRecord, never>({
    kind: 'see',
    summary: 'Notes what comes',
    start: ({ cursor, clock }) => ({
      onBatch: (records) => {
        for (const { data } of records) {
          const text = `${Buffer.from(data)} of ${records.length}`;
          seen.push({ text, sequence: cursor.sequence, now_ms: clock.now() });
        }
      },
      onTick: (tick) => void ticks.push(tick),
    }),
  })('see', undefined);

const seen = (build: (input: Stream<SourceRecord>) => void): Topology =>
  topology('test', (t) => build(t.source('source')));

describe('a task in order', () => {
  it('takes records one at a time, each at its place and at the time when it was stored', async () => {
    const [all, ticks]: [Seen[], Tick[]] = [[], []];
    const task = await taskOf(
      seen((input) => void input.pipe(seeing(all, ticks))),
      ['a', 'b', '', '', 'c'],
    );
    expect(await task.step(0)).toBe(5);
    expect(all).toEqual([
      { text: 'a of 1', sequence: 1, now_ms: 1_000 },
      { text: 'b of 1', sequence: 2, now_ms: 2_000 },
      { text: 'c of 1', sequence: 5, now_ms: 5_000 },
    ]);
    expect(ticks).toEqual([
      { now_ms: 3_000, idle_ms: 1_000 },
      { now_ms: 4_000, idle_ms: 2_000 },
    ]);
    expect(task.cursor.sequence).toBe(5);
  });

  it("has the log's time again behind a commit", async () => {
    const disk = new MemoryDisk();
    const [all, ticks]: [Seen[], Tick[]] = [[], []];
    const built = seen((input) => void input.pipe(seeing(all, ticks)));
    const task = await taskOf(built, ['a', ''], disk);
    await task.step(0);
    task.commit();
    task.close();
    const next = await taskOf(built, ['a', '', '', 'b'], disk);
    expect(next.cursor.sequence).toBe(2);
    await next.step(0);
    expect(ticks.at(-1)).toEqual({ now_ms: 3_000, idle_ms: 2_000 });
    expect(all.at(-1)).toEqual({ text: 'b of 1', sequence: 4, now_ms: 4_000 });
  });

  it('refuses what comes out while a commit passes', async () => {
    const atBarrier = defineOperator<SourceRecord, string>({
      kind: 'at-barrier',
      summary: 'Gives with each commit',
      start: ({ emit }) => ({ onBatch: () => undefined, onBarrier: () => emit(['x']) }),
    });
    const task = await taskOf(
      seen((input) => void input.pipe(atBarrier('late', undefined))),
      ['a'],
    );
    await task.step(0).catch(() => undefined);
    expect(() => task.commit()).toThrow(expect.objectContaining({ code: 'commit_bound_output' }));
  });

  it('refuses operators, sources and several logs by name', async () => {
    const random = defineOperator<SourceRecord, number>({
      kind: 'random',
      summary: 'Gives what nobody knows',
      unordered: () => 'it gives random numbers',
      start: () => ({ onBatch: () => undefined }),
    });
    const through = topology('test', (t) => {
      t.source({ name: 'source', kind: 'jetstream', options: {}, through: (source) => source });
    });
    const two = topology('test', (t) => {
      t.source('a');
      t.source('b');
    });
    const refused = [
      [seen((input) => void input.pipe(random('dice', undefined))), /"dice" \(random\).*random numbers/],
      [through, /"source".*through/],
      [two, /2 streams \(a, b\)/],
    ] as const;
    for (const [built, message] of refused) {
      const error = await taskOf(built, []).catch((thrown) => thrown);
      expect(error).toMatchObject({ code: 'not_ordered', message: expect.stringMatching(message) });
    }
  });

  it('refuses definitions before a cut', async () => {
    const defined = defineOperator<SourceRecord, SourceRecord>({
      kind: 'defined',
      summary: 'Takes definitions',
      start: ({ emit }) => ({
        onBatch: emit,
        definitions: { kinds: ['rule'], define: () => undefined, forget: () => undefined },
      }),
    });
    const cut = defineOperator<SourceRecord, never>({
      kind: 'channel-out',
      summary: 'The end of a stage',
      start: () => ({ onBatch: () => undefined }),
    });
    const [before, behind] = [
      seen((input) => void input.pipe(defined('rules', undefined), cut('cut', undefined))),
      seen((input) => {
        input.pipe(cut('cut', undefined));
        input.pipe(defined('rules', undefined));
      }),
    ];
    const error = await taskOf(before, []).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'definitions_before_cut' });
    await taskOf(behind, []);
  });
});
