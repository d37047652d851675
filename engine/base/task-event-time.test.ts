import { describe, expect, it } from 'vitest';
import { EventTime } from './task-event-time.ts';

describe('event time', () => {
  it('of a task is the smallest watermark of those that generate one, once all have', () => {
    const time = new EventTime();
    time.expect('a');
    time.expect('b');
    time.move('a', 100);
    expect([time.watermark_ms, time.watermarks]).toEqual([null, { a: 100 }]);
    time.move('b', 50);
    expect(time.watermark_ms).toBe(50);
    time.move('b', 200);
    expect([time.watermark_ms, time.watermarks]).toEqual([100, { a: 100, b: 200 }]);
  });

  it('never moves back, for one operator or the task', () => {
    const time = new EventTime();
    time.move('a', 100);
    expect(() => time.move('a', 99)).toThrow(expect.objectContaining({ code: 'invariant_broken' }));
    // One that nobody expected may begin anywhere; the task stays where it is.
    time.move('late', 10);
    expect(time.watermark_ms).toBe(100);
  });

  it('goes on from what was committed: each from its own, others from the task', () => {
    const time = new EventTime({ watermark_ms: 50, watermarks: { a: 100, gone: 7 } });
    expect([time.initialOf('a'), time.initialOf('b')]).toEqual([100, 50]);
    time.expect('a');
    time.expect('b');
    time.move('b', 60);
    expect([time.watermark_ms, time.watermarks]).toEqual([60, { a: 100, b: 60 }]);
    expect(() => time.move('a', 99)).toThrow(expect.objectContaining({ code: 'invariant_broken' }));
  });
});
