import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import type { EventBatch } from '../events/index.ts';
import { eventWatermark } from './event-watermark.ts';
import { appendEvent, newBatch, testEvent } from './fixture-events.ts';

const T = Date.UTC(2025, 6, 1);
const NOW_MS = T + 3_600_000;
const OUT_OF_ORDER_MS = 10_000;
const IDLE_MS = 60_000;

const build = (input: Stream<EventBatch>) =>
  input.pipe(eventWatermark('watermark', { outOfOrderness_ms: OUT_OF_ORDER_MS, idle_ms: IDLE_MS }));

function at(batch: EventBatch, ...times_ms: readonly number[]): EventBatch {
  batch.clear([]);
  for (const [row, time_ms] of times_ms.entries())
    appendEvent(batch, testEvent({ id: `e${row}`, time_ms }), row + 1);
  return batch;
}

describe('the watermark of events', () => {
  it('is the newest time less the allowance, and never moves back', async () => {
    const driver = await TestDriver.start(build, { start_ms: NOW_MS });
    const batch = newBatch();
    await driver.push(at(batch, T, T - 5_000));
    await driver.push(at(batch, T - 5_000));
    await driver.push(at(batch, T + 100));
    expect(driver.watermarks).toEqual([T - OUT_OF_ORDER_MS, T + 100 - OUT_OF_ORDER_MS]);
    expect(driver.out).toEqual([batch, batch, batch]);
    expect(driver.counter('millrace.watermark.late')).toBe(0);
  });

  it('is moved by no event that is ahead of the clock beyond the clock', async () => {
    const driver = await TestDriver.start(build, { start_ms: NOW_MS });
    await driver.push(at(newBatch(), T, NOW_MS + 86_000_000, NOW_MS + 1_000, NOW_MS - OUT_OF_ORDER_MS - 1));
    expect(driver.watermarks).toEqual([NOW_MS - OUT_OF_ORDER_MS]);
    expect(driver.counter('millrace.watermark.late')).toBe(1);
    driver.clock.advance(5_000);
    await driver.push(at(newBatch(), NOW_MS + 1_000));
    expect(driver.watermarks.at(-1)).toBe(NOW_MS + 1_000 - OUT_OF_ORDER_MS);
  });

  it('leaves out events that dedup has refused', async () => {
    const driver = await TestDriver.start(build, { start_ms: NOW_MS });
    const batch = at(newBatch(), T, T + 50_000, T - 1);
    batch.live[1] = 0;
    await driver.push(batch);
    expect(driver.watermarks).toEqual([T - OUT_OF_ORDER_MS]);
    // Of columns the events are counted that go on: behind the driver's one record they are two, to two operators.
    expect(driver.counter('millrace.operator.received')).toBe(1 + 2 * 2);
  });

  it('passes late events on, counts and lists them, whatever the cut into batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 12 }),
        async (seconds, cut) => {
          const times = seconds.map((second) => T + second * 1_000);
          let reached = Number.NEGATIVE_INFINITY;
          let late = 0;
          for (const time_ms of times) {
            if (time_ms < reached) late++;
            reached = Math.max(reached, time_ms - OUT_OF_ORDER_MS);
          }
          const driver = await TestDriver.start(build, { start_ms: NOW_MS });
          const batch = newBatch();
          await driver.push(at(batch, ...times.slice(0, cut)));
          await driver.push(at(batch, ...times.slice(cut)));
          driver.commit();
          expect(driver.counter('millrace.watermark.late')).toBe(late);
          expect(driver.progress?.notices).toEqual(late === 0 ? {} : { tenant: { late } });
          expect(driver.progress?.watermark_ms).toBe(reached);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('follows the clock while the source is idle, and goes on from the committed one after a restart', async () => {
    let driver = await TestDriver.start(build, { start_ms: T });
    await driver.push(at(newBatch(), T));
    driver.commit();
    expect(driver.progress?.watermark_ms).toBe(T - OUT_OF_ORDER_MS);
    await driver.idle();
    driver.clock.advance(IDLE_MS);
    await driver.idle();
    driver.commit();
    expect(driver.progress?.watermark_ms).toBe(T + IDLE_MS - OUT_OF_ORDER_MS);
    driver = await driver.restart();
    await driver.push(at(newBatch(), T));
    driver.commit();
    expect(driver.progress?.watermark_ms).toBe(T + IDLE_MS - OUT_OF_ORDER_MS);
    expect(driver.counter('millrace.watermark.late')).toBe(1);
  });

  it('tells what is late only because the stream was quiet, and its tenant had come no further', async () => {
    let driver = await TestDriver.start(build, { start_ms: T });
    await driver.push(at(newBatch(), T, T - 30_000));
    expect(driver.counter('millrace.watermark.late_by_idle')).toBe(0);
    await driver.idle();
    driver.clock.advance(3 * IDLE_MS);
    await driver.idle();
    driver.commit();
    // Behind what events have brought; ahead of it, and behind the clock; what comes next in event time; in time.
    await driver.push(at(newBatch(), T - 20_000, T + 5_000, T + 90_000, T + 3 * IDLE_MS));
    expect(driver.counter('millrace.watermark.late')).toBe(1 + 3);
    expect(driver.counter('millrace.watermark.late_by_idle')).toBe(2);
    expect(driver.counter('millrace.watermark.events')).toBe(6);
    driver = await driver.restart();
    await driver.push(at(newBatch(), T + 5_000));
    expect(driver.counter('millrace.watermark.late')).toBe(1);
  });
});
