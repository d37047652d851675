import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { rowsOf, runAnyWay } from '../fixture-any-way.ts';
import { type RateLimitConfig, rateLimit } from './rate-limit.ts';

interface Call {
  readonly key: string;
  readonly time_ms: number;
  readonly id: number;
}

const timeOf = ({ time_ms }: Call): number => time_ms;
const LIMITS = { keyOf: ({ key }: Call) => key, timeOf, max_events: 2, per_ms: 10 };
const limited =
  (algorithm: NonNullable<RateLimitConfig<Call>['algorithm']>, side?: 'limited' | 'late') =>
  (input: Stream<Call>): Stream<Call> => {
    const passed = input.pipe(rateLimit<Call>('limit', { ...LIMITS, algorithm }));
    return side === undefined ? passed : passed.side(side);
  };
const call = (time_ms: number, id = time_ms, key = 'a'): Call => ({ key, time_ms, id });
const byTime = (a: Call, b: Call): number =>
  a.time_ms - b.time_ms || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** Which calls pass, one key after the other, from the definition. */
function allowed(calls: readonly Call[], algorithm: 'window' | 'bucket'): Call[] {
  const passed: Call[] = [];
  for (const key of new Set(calls.map((one) => one.key))) {
    const own = calls.filter((one) => one.key === key);
    own.sort((a, b) => a.time_ms - b.time_ms || (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    let tokens = 2;
    let last_ms = 0;
    const perWindow = new Map<number, number>();
    for (const one of own) {
      const window = Math.floor(one.time_ms / 10);
      const used = perWindow.get(window) ?? 0;
      tokens = Math.min(2, tokens + (one.time_ms - last_ms) * 0.2);
      last_ms = one.time_ms;
      if (algorithm === 'window' ? used >= 2 : tokens < 1 - 1e-9) continue;
      perWindow.set(window, used + 1);
      tokens -= 1;
      passed.push(one);
    }
  }
  return passed.sort(byTime);
}

describe('rateLimit', () => {
  it('passes on the first events of each window, and puts the others aside', async () => {
    const calls = [call(1), call(9), call(5), call(11), call(12), call(13)];
    const passed = await TestDriver.start(limited('window'));
    const excess = await TestDriver.start(limited('window', 'limited'));
    for (const driver of [passed, excess]) {
      await driver.push(...calls);
      await driver.advanceTo(20);
    }
    expect(passed.out.map(timeOf)).toEqual([1, 5, 11, 12]);
    expect(excess.out.map(timeOf)).toEqual([9, 13]);
    expect(passed.counter('millrace.rate_limit.limited')).toBe(2);
  });

  it('a bucket does not let a burst through twice at the edge of a window', async () => {
    const driver = await TestDriver.start(limited('bucket'));
    await driver.push(call(8), call(9), call(10), call(11), call(12), call(15), call(16));
    await driver.advanceTo(20);
    // Two tokens, and one more every 5 ms.
    expect(driver.out.map(timeOf)).toEqual([8, 9, 15]);
  });

  it('late events use nothing', async () => {
    const driver = await TestDriver.start(limited('window', 'late'));
    await driver.advanceTo(5);
    await driver.push(call(4), call(5));
    expect(driver.out.map(timeOf)).toEqual([4]);
    expect(driver.counter('millrace.rate_limit.late')).toBe(1);
  });

  it('is its definition on the sorted events, for any order, batches, commits, crashes and moves', async () => {
    const anyCall = fc.record({
      key: fc.constantFrom('a', 'b'),
      time_ms: fc.integer({ min: 0, max: 40 }),
      id: fc.nat(9),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyCall, { maxLength: 25 }),
        fc.constantFrom('window' as const, 'bucket' as const),
        fc.integer(),
        async (calls, algorithm, seed) => {
          const { driver, out } = await runAnyWay(limited(algorithm), calls, { timeOf, seed, end_ms: 100 });
          expect(out).toEqual(allowed(calls, algorithm));
          expect(rowsOf(driver, 'limit')).toMatchObject({ state: 0, waiting: 0 });
          expect(rowsOf(driver, 'limit').timers ?? 0).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('a key leaves nothing when it has had no events for twice the span', async () => {
    for (const algorithm of ['window', 'bucket'] as const) {
      const driver = await TestDriver.start(limited(algorithm));
      await driver.push(call(0), call(10));
      await driver.advanceTo(30);
      driver.commit();
      expect(rowsOf(driver, 'limit')).toMatchObject({ state: 0, waiting: 0, timers: 0 });
    }
  });

  it('goes by the limits of the last start; what was used under others holds up nobody for longer', async () => {
    for (const algorithm of ['window', 'bucket'] as const) {
      const limitedTo = (max_events: number, per_ms: number) => (input: Stream<Call>) =>
        input.pipe(rateLimit<Call>('limit', { ...LIMITS, algorithm, max_events, per_ms }));
      const driver = await TestDriver.start(limitedTo(100, 1_000_000));
      await driver.push(...Array.from({ length: 100 }, (_, id) => call(1_000, id)));
      await driver.advanceTo(1_001);
      expect(driver.take()).toHaveLength(100);
      const again = await TestDriver.start(limitedTo(2, 10), { snapshot: driver.snapshot() });
      await again.push(call(1_020, 1), call(1_020, 2), call(1_020, 3));
      await again.advanceTo(3_000_000);
      expect(again.take(), algorithm).toHaveLength(2);
      again.commit();
      expect(rowsOf(again, 'limit')).toMatchObject({ state: 0, waiting: 0, timers: 0 });
    }
  });

  it('refuses limits that are none', () => {
    for (const limits of [{ max_events: 0 }, { per_ms: 1.5 }, { max_events: 2 ** 52, per_ms: 2 ** 10 }]) {
      expect(() => rateLimit<Call>('x', { ...LIMITS, ...limits })).toThrow('positive whole numbers');
    }
  });
});
