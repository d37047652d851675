import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { OUTBOX_TABLE, type SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { keep, record, TaskFixture } from '../testing/fixture-task.ts';
import { META_TABLE, readNotices } from './meta.ts';

const keeping = topology('keeping', (t) => void t.source('in').pipe(keep));
const opened = async (...parameters: ConstructorParameters<typeof TaskFixture>): Promise<TaskFixture> => {
  const fixture = new TaskFixture(...parameters);
  await fixture.task.open();
  return fixture;
};

describe('a commit', () => {
  it('writes state, position, notices and owed messages together', async () => {
    const fixture = await opened(keeping);
    await fixture.push(1, 'a', 'send:b');
    expect([fixture.kept(), fixture.progress, fixture.sent]).toEqual([[], undefined, []]);
    fixture.task.commit();
    expect(fixture.kept()).toEqual(['a', 'send:b']);
    expect(fixture.progress).toMatchObject({
      commit: 1,
      sequence: 2,
      outbox_next: 1,
      notices: { acme: { kept: 2 } },
    });
    expect(fixture.sent.map(({ id }) => id)).toEqual(['send:b']);
    expect(
      readNotices(fixture.disk.open().table(META_TABLE), 'acme', 'kept', 9).map(({ sequence }) => sequence),
    ).toEqual([2, 1]);
  });

  it.each(['begin', 'end'] as const)(
    'that fails at its %s leaves nothing behind, and sends nothing',
    async (step) => {
      const fixture = await opened(keeping);
      await fixture.push(1, 'a');
      fixture.task.commit();
      await fixture.push(2, 'send:b');
      fixture.disk.fault = (at) => {
        if (at === step) throw new Error('power cut');
      };
      expect(() => fixture.task.commit()).toThrow('power cut');
      fixture.disk.fault = undefined;
      expect([fixture.kept(), fixture.progress?.sequence, fixture.sent]).toEqual([['a'], 1, []]);
      expect([...fixture.disk.open().table(OUTBOX_TABLE).scan()]).toEqual([]);
      const again = await opened(keeping, { disk: fixture.disk });
      expect(again.source.startedAfter).toBe(1);
      await again.push(2, 'send:b');
      again.task.commit();
      expect([again.kept(), again.progress?.sequence, again.progress?.commit]).toEqual([
        ['a', 'send:b'],
        2,
        2,
      ]);
    },
  );

  it('is due after the interval, or after so many records', async () => {
    const fixture = await opened(keeping, { limits: { barrier_interval_ms: 250, barrier_max_events: 3 } });
    await fixture.push(1, 'a');
    fixture.clock.advance(249);
    await fixture.task.step(0);
    expect(fixture.commits.length).toBe(0);
    fixture.clock.advance(1);
    await fixture.task.step(0);
    expect(fixture.commits.length).toBe(1);
    await fixture.push(2, 'b', 'c');
    expect(fixture.commits.length).toBe(1);
    await fixture.push(4, 'd');
    expect(fixture.commits.length).toBe(2);
  });

  it('is due at once when an operator asks for it', async () => {
    const fixture = await opened(keeping);
    await fixture.push(1, 'barrier');
    expect(fixture.commits.length).toBe(1);
  });

  it('stops a second writer of the same state', async () => {
    const one = await opened(keeping);
    const two = await opened(keeping, { disk: one.disk });
    one.task.commit();
    expect(() => two.task.commit()).toThrow(expect.objectContaining({ code: 'state_has_another_writer' }));
  });

  it('stops a second writer by this name, whatever its operators meet in what the first wrote', async () => {
    const another = expect.objectContaining({ code: 'state_has_another_writer' });
    const one = await opened(keeping);
    const atBarrier = await opened(keeping, { disk: one.disk });
    const atRecord = await opened(keeping, { disk: one.disk });
    await atBarrier.push(1, 'fail at barrier');
    one.task.commit();
    expect(() => atBarrier.task.commit()).toThrow(another);
    await expect(atRecord.push(1, 'fail')).rejects.toThrow(another);
  });
});

describe('a failure', () => {
  it('of an operator stops the step, and nothing of it is committed', async () => {
    const fixture = await opened(keeping);
    await expect(fixture.push(1, 'a', 'fail')).rejects.toThrow('the operator failed');
    expect(() => fixture.task.commit()).toThrow();
    expect([fixture.progress, fixture.kept()]).toEqual([undefined, []]);
  });

  it('of an operator at the barrier undoes the commit', async () => {
    const fixture = await opened(keeping);
    await fixture.push(1, 'a', 'fail at barrier');
    expect(() => fixture.task.commit()).toThrow('the barrier failed');
    expect([fixture.progress, fixture.kept()]).toEqual([undefined, []]);
  });

  it('of the source to go on in order breaks an invariant', async () => {
    const fixture = await opened(keeping);
    await fixture.push(5, 'a');
    await expect(fixture.push(5, 'again')).rejects.toThrow(
      expect.objectContaining({ code: 'invariant_broken' }),
    );
  });

  it('of stream and position to fit together stops the start', async () => {
    const fixture = await opened(keeping);
    await fixture.push(7, 'a');
    fixture.task.commit();
    const again = new TaskFixture(keeping, { disk: fixture.disk });
    again.source.streamFacts = { ...again.source.streamFacts, lastSequence: 6 };
    await expect(again.task.open()).rejects.toThrow(
      expect.objectContaining({ code: 'position_ahead_of_stream' }),
    );
  });

  it('before open is named', async () => {
    await expect(new TaskFixture(keeping).task.step(0)).rejects.toThrow(
      expect.objectContaining({ code: 'task_not_open' }),
    );
  });
});

describe('idleness', () => {
  const idles: number[] = [];
  const watch = defineOperator<SourceRecord, never>({
    kind: 'watch',
    summary: 'Notes how long the source idles',
    start: () => ({ onBatch: () => {}, onBarrier: ({ idle_ms }) => void idles.push(idle_ms) }),
  });
  const watching = topology('watching', (t) => void t.source('in').pipe(watch('watch', undefined)));
  const quietFor = async (fixture: TaskFixture, ms: number): Promise<number | undefined> => {
    await fixture.task.step(0);
    fixture.clock.advance(ms);
    await fixture.task.step(0);
    return idles.at(-1);
  };

  it('counts from when nothing is pending and nothing in flight', async () => {
    const fixture = await opened(watching);
    expect(await quietFor(fixture, 60_000)).toBe(60_000);
  });

  it.each([
    ['pending', { caughtUp: false }],
    ['disconnected', { connected: false }],
  ])('is none while the source is %s', async (_, state) => {
    const fixture = await opened(watching);
    fixture.source.current = { ...fixture.source.current, ...state };
    expect(await quietFor(fixture, 60_000)).toBe(0);
  });

  it('ends with a record', async () => {
    const fixture = await opened(watching);
    await quietFor(fixture, 60_000);
    await fixture.push(1, 'a');
    fixture.task.commit();
    expect(idles.at(-1)).toBe(0);
  });
});

describe('a position', () => {
  it('that moves without a record is committed when a barrier is due, and begun from', async () => {
    const limits = { barrier_interval_ms: 100, idle_barrier_interval_ms: 1_000 };
    const fixture = await opened(keeping, { limits });
    await fixture.push(1, 'a');
    fixture.task.commit();
    fixture.source.current = { ...fixture.source.current, headSequence: 7 };
    fixture.source.passedTo = 7;
    await fixture.task.step(0);
    const lag = fixture.task.metrics.samples().find(({ name }) => name === 'millrace.task.lag');
    expect([lag?.value, fixture.progress?.sequence]).toEqual([0, 1]);
    fixture.clock.advance(100);
    await fixture.task.step(0);
    expect([fixture.progress?.sequence, fixture.commits.length]).toEqual([7, 2]);
    // Once: nothing has moved since.
    fixture.clock.advance(100);
    await fixture.task.step(0);
    expect(fixture.commits.length).toBe(2);
    const again = await opened(keeping, { disk: fixture.disk });
    expect([again.source.startedAfter, again.kept()]).toEqual([7, ['a']]);
  });
});

describe('run', () => {
  it('processes until it is stopped, and commits what it has taken', async () => {
    const fixture = await opened(keeping);
    fixture.source.takes.push([record(1, 'a')], [record(2, 'b')]);
    const stop = new AbortController();
    const ended = fixture.task.run(stop.signal);
    await setTimeout(5);
    stop.abort();
    await ended;
    expect([fixture.source.stopped, fixture.kept(), fixture.progress?.sequence]).toEqual([
      true,
      ['a', 'b'],
      2,
    ]);
  });
});
