import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, SeededRandom } from '../../engine/index.ts';
import { Durations, maxExactTimes } from './durations.ts';

const MAX_EXACT_TIMES = maxExactTimes(60);

const of = (times: readonly number[]): Durations => {
  const durations = new Durations(MAX_EXACT_TIMES);
  for (const time_ms of times) durations.add(time_ms);
  return durations;
};

function copied(durations: Durations): Durations {
  const writer = new ByteWriter();
  durations.write(writer);
  const copy = new Durations(MAX_EXACT_TIMES);
  copy.addWritten(new ByteReader(writer.copy()));
  return copy;
}

describe('times between steps', () => {
  it('are nearest ranks of all', () => {
    expect(of([]).percentiles()).toEqual({ p50: null, p90: null, p99: null });
    expect(of([7]).percentiles()).toEqual({ p50: 0.007, p90: 0.007, p99: 0.007 });
    const hundred = Array.from({ length: 100 }, (_, at) => (100 - at) * 1_000);
    expect(copied(of(hundred)).percentiles()).toEqual({ p50: 50, p90: 90, p99: 99 });
  });

  it('are a sketch within 1 % beyond the limit, whatever the parts', () => {
    const random = new SeededRandom(5);
    const times = Array.from({ length: MAX_EXACT_TIMES + 10 }, () => random.int(0, 90_000_000));
    const sorted = times.toSorted((a, b) => a - b);
    const whole = of(times);
    const parts = of(times.slice(0, 70_000));
    parts.addAll(copied(of(times.slice(70_000))));
    const reversed = new Durations(MAX_EXACT_TIMES);
    reversed.addAll(copied(of(times.toReversed())));
    expect([of(times.slice(0, MAX_EXACT_TIMES)).isExact, whole.isExact]).toEqual([true, false]);
    expect(parts.percentiles()).toEqual(whole.percentiles());
    expect(reversed.percentiles()).toEqual(whole.percentiles());
    const { p50, p99 } = whole.percentiles() as { p50: number; p99: number };
    const exact = (part: number): number => (sorted[Math.ceil(part * sorted.length) - 1] as number) / 1_000;
    expect(Math.abs(p50 / exact(0.5) - 1)).toBeLessThan(0.0101);
    expect(Math.abs(p99 / exact(0.99) - 1)).toBeLessThan(0.0101);
  });
});
