import { describe, expect, it } from 'vitest';
import { defineOperator, type Stream, TestDriver } from '../../engine/index.ts';
import { Pipeline } from '../fixture-pipeline.ts';
import { watermark } from './watermark.ts';

const OUT_OF_ORDER_MS = 30_000;
const IDLE_MS = 60_000;
const T = 1_749_000_000_000;

const build = (input: Stream<number>): Stream<number> =>
  input.pipe(
    watermark<number>('watermark', {
      timeOf: (time_ms) => time_ms,
      outOfOrderness_ms: OUT_OF_ORDER_MS,
      idle_ms: IDLE_MS,
      late: (time_ms) => ({ scope: 'acme', sequence: time_ms, detail: {} }),
    }),
  );

describe('watermark', () => {
  it('is the largest event time minus the allowance, and never moves back', async () => {
    const pipeline = await Pipeline.start(build);
    await pipeline.push(T, T - 10_000);
    await pipeline.push(T - 500_000);
    await pipeline.push(T + 1);
    expect(pipeline.watermarks).toEqual([T - OUT_OF_ORDER_MS, T + 1 - OUT_OF_ORDER_MS]);
  });

  it('passes every event on, also the late ones, which are counted and listed', async () => {
    const pipeline = await Pipeline.start(build);
    await pipeline.push(T, T - OUT_OF_ORDER_MS, T - OUT_OF_ORDER_MS - 1);
    pipeline.commit();
    expect(pipeline.out).toHaveLength(3);
    expect(pipeline.progress?.notices).toEqual({ acme: { late: 1 } });
  });

  it('judges lateness event by event, whatever the batches', async () => {
    const times = [T, T - 40_000, T + 100_000, T + 60_000, T + 70_000, T - 1];
    const one = await Pipeline.start(build);
    await one.push(...times);
    const many = await Pipeline.start(build);
    for (const time of times) await many.push(time);
    expect(one.counter('millrace.watermark.late')).toBe(3);
    expect(many.counter('millrace.watermark.late')).toBe(3);
  });

  it('is part of the commit, and what is downstream hears of it after a restart', async () => {
    const first = await Pipeline.start(build);
    await first.push(T);
    first.commit();
    await first.push(T + 50_000);
    const second = await first.restart();
    expect(second.watermarks).toEqual([T - OUT_OF_ORDER_MS]);
    await second.push(T - OUT_OF_ORDER_MS - 1, T);
    second.commit();
    expect(second.progress).toMatchObject({
      watermark_ms: T - OUT_OF_ORDER_MS,
      notices: { acme: { late: 1 } },
    });
  });

  it('follows the clock once the source has idled for long enough, not before', async () => {
    const pipeline = await Pipeline.start(build);
    await pipeline.push(T);
    await pipeline.idle();
    pipeline.clock.advance(IDLE_MS - 1);
    pipeline.commit();
    expect(pipeline.progress?.watermark_ms).toBe(T - OUT_OF_ORDER_MS);
    pipeline.clock.advance(1);
    pipeline.commit();
    expect(pipeline.progress?.watermark_ms).toBe(pipeline.clock.now() - OUT_OF_ORDER_MS);
    expect(pipeline.watermarks.at(-1)).toBe(pipeline.clock.now() - OUT_OF_ORDER_MS);
  });

  it('timers of operators downstream fire after a restart, once', async () => {
    const fired: string[] = [];
    const alarm = defineOperator<number, number>({
      kind: 'alarm',
      summary: 'Sets a timer a minute after each event',
      start: ({ timers, emit }) => ({
        onBatch: (times) => {
          for (const time_ms of times) timers.set(time_ms + 60_000, `t${time_ms - T}`);
          emit(times);
        },
        onTimer: (time_ms, key) => void fired.push(`${key}@${time_ms - T}`),
      }),
    });
    const withAlarm = (input: Stream<number>): Stream<number> => build(input).pipe(alarm('alarm', undefined));
    const first = await Pipeline.start(withAlarm);
    await first.push(T, T + 5);
    first.commit();
    const second = await first.restart();
    expect(fired).toEqual([]);
    await second.push(T + 60_000 + OUT_OF_ORDER_MS);
    expect(fired).toEqual(['t0@60000']);
    second.commit();
    const third = await second.restart();
    await third.push(T + 100_000 + OUT_OF_ORDER_MS);
    expect(fired).toEqual(['t0@60000', 't5@60005']);
  });

  it('does not believe times too far ahead of the clock', async () => {
    const start_ms = 1_000_000;
    const build = (max_ahead_ms?: number) => (times: Stream<number>) =>
      times.pipe(
        watermark('time', {
          timeOf: (time_ms) => time_ms,
          outOfOrderness_ms: 10,
          ...(max_ahead_ms === undefined ? {} : { max_ahead_ms }),
        }),
      );
    const driver = await TestDriver.start(build(500), { start_ms });
    await driver.push(start_ms + 501, start_ms + 500);
    expect(driver.out.length).toBe(2);
    expect(driver.watermarks.at(-1)).toBe(start_ms + 490);
    expect(driver.counter('millrace.watermark.ahead')).toBe(1);
    const believing = await TestDriver.start(build(), { start_ms });
    await believing.push(start_ms + 501);
    expect(believing.watermarks.at(-1)).toBe(start_ms + 491);
    await expect(believing.push(Number.POSITIVE_INFINITY)).rejects.toMatchObject({ code: 'bad_event_time' });
  });

  it('takes a time in µs or ns for no time, and leaves those after it in time', async () => {
    const driver = await Pipeline.start(build);
    await driver.push(T, T * 1_000, T * 1_000_000, Number.MAX_VALUE, T + 1);
    expect(driver.out).toHaveLength(5);
    expect(driver.watermarks.at(-1)).toBe(T + 1 - OUT_OF_ORDER_MS);
    expect(driver.counter('millrace.watermark.ahead')).toBe(3);
  });

  it('refuses durations that are none', () => {
    const timeOf = (time_ms: number): number => time_ms;
    for (const wrong of [
      { outOfOrderness_ms: -1 },
      { outOfOrderness_ms: Number.NaN },
      { outOfOrderness_ms: Number.POSITIVE_INFINITY },
      { outOfOrderness_ms: 0, idle_ms: Number.NaN },
      { outOfOrderness_ms: 0, max_ahead_ms: -1 },
    ]) {
      expect(() => watermark('time', { timeOf, ...wrong })).toThrow(/needs ms from 0 on/);
    }
    expect(() =>
      watermark('time', { timeOf, outOfOrderness_ms: 0, idle_ms: Number.POSITIVE_INFINITY }),
    ).not.toThrow();
  });
});
