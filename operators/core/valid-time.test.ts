import { describe, expect, it } from 'vitest';
import { type Operator, TestDriver } from '../../engine/index.ts';
import { begin, funnel, pattern, sessionize } from '../sequences/index.ts';
import { toTable } from '../views/index.ts';
import { checkedSignedTime, checkedTime } from './valid-time.ts';

interface Tick {
  readonly time_ms: number;
}

const of = { keyOf: () => 'k', timeOf: ({ time_ms }: Tick) => time_ms };
const any = (): boolean => true;
const OPERATORS: Readonly<Record<string, () => Operator<Tick, unknown>>> = {
  pattern: () =>
    pattern('op', { ...of, pattern: begin<Tick, 'a'>('a', any).followedBy('b', any).within(10) }),
  funnel: () =>
    funnel('op', { ...of, steps: ['a', 'b'].map((name) => ({ name, matches: any })), window_ms: 10 }),
  sessionize: () => sessionize('op', { ...of, gap_ms: 5 }),
  toTable: () => toTable('op', of),
};

describe('a time that is none', () => {
  for (const [name, operator] of Object.entries(OPERATORS)) {
    it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5, 1e300])(
      `stops ${name} with bad_event_time: %s`,
      async (time_ms) => {
        const driver = await TestDriver.start<Tick, unknown>((ticks) => ticks.pipe(operator()));
        await expect(driver.push({ time_ms })).rejects.toMatchObject({ code: 'bad_event_time' });
      },
    );
  }

  it('is told from one before 1970 only by operators that need no timers of it', () => {
    expect(checkedSignedTime(-1, 'op')).toBe(-1);
    expect(() => checkedTime(-1, 'op')).toThrow('whole ms since 1970');
    expect([checkedTime(0, 'op'), checkedTime(2 ** 48 - 2, 'op')]).toEqual([0, 2 ** 48 - 2]);
    expect(() => checkedTime(2 ** 48 - 1, 'op')).toThrow(expect.objectContaining({ code: 'bad_event_time' }));
  });
});
