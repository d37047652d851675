import { describe, expect, it } from 'vitest';
import { floatCodec, queryTable, type Stream, TestDriver, type WindowedValue } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { count } from '../aggregates/index.ts';
import { map } from '../core/index.ts';
import { rowsOf, runAnyWay } from '../fixture-any-way.ts';
import { tumbling, window } from '../windows/index.ts';
import { toWindowTable, windowTableOf } from './to-window-table.ts';

interface Result {
  readonly shop: string;
  readonly start_ms: number;
  /** undefined: taken back. */
  readonly total: number | undefined;
}

const MINUTE_MS = 60_000;
const RETAIN_MS = 10 * MINUTE_MS;
const result = (shop: string, minute: number, total?: number): Result => ({
  shop,
  start_ms: minute * MINUTE_MS,
  total,
});

const retained = (retain_ms: number) => (input: Stream<Result>) =>
  input.pipe(
    toWindowTable<Result, number>('totals', {
      keyOf: ({ shop }) => shop,
      windowOf: ({ start_ms }) => ({ start_ms, end_ms: start_ms + MINUTE_MS }),
      value: ({ total }) => total,
      retain_ms,
      codec: floatCodec,
    }),
  );
const build = retained(RETAIN_MS);
const table = windowTableOf('totals', floatCodec);

function totalsIn(
  { disk }: Pick<TestDriver<Result, unknown>, 'disk'>,
  shop: string,
  from: number,
  to: number,
) {
  const query = { kind: 'window', key: shop, start_ms: from * MINUTE_MS, end_ms: to * MINUTE_MS } as const;
  const answer = queryTable(disk.reader(), table, query);
  if (!answer.ok) throw new Error(answer.message);
  return answer.values.map(({ start_ms, value }) => [start_ms / MINUTE_MS, value]);
}

describe('toWindowTable', () => {
  it('gives the windows of a key that start in a range, in order', async () => {
    const driver = await TestDriver.start(build);
    await driver.push(result('x', 7, 70), result('x', 5, 50), result('xy', 5, 1), result('x', 6, 60));
    await driver.push(result('x', 6, 61), result('x', 7));
    driver.commit();
    expect(totalsIn(driver, 'x', 0, 100)).toEqual([
      [5, 50],
      [6, 61],
    ]);
    expect(totalsIn(driver, 'x', 6, 7)).toEqual([[6, 61]]);
    expect(totalsIn(driver, 'xy', 5, 6)).toEqual([[5, 1]]);
    expect(totalsIn(driver, 'x', 7, 5)).toEqual([]);
    const last: WindowedValue<number | undefined> | undefined = driver.out.at(-1);
    expect(last).toEqual({ key: 'x', start_ms: 7 * MINUTE_MS, end_ms: 8 * MINUTE_MS, value: undefined });
  });

  it('removes windows after their retention, and puts aside what comes later', async () => {
    const driver = await TestDriver.start<Result, string>((input) =>
      build(input)
        .side('late')
        .pipe(map('late-shop', ({ shop }) => shop)),
    );
    await driver.push(result('x', 0, 1), result('x', 1, 2));
    await driver.advanceTo(MINUTE_MS + RETAIN_MS);
    await driver.push(result('y', 0, 1));
    driver.commit();
    expect(totalsIn(driver, 'x', 0, 9)).toEqual([[1, 2]]);
    expect(driver.out).toEqual(['y']);
    expect(driver.counter('millrace.to_window_table.late')).toBe(1);
    await driver.advanceTo(2 * MINUTE_MS + RETAIN_MS);
    driver.commit();
    expect(rowsOf(driver, 'totals')).toEqual({ windows: 0, timers: 0 });
  });

  it('without an end of the retention a window stays, and can be taken back', async () => {
    const of = { start_ms: 0, end_ms: MINUTE_MS };
    const driver = await TestDriver.start<string, WindowedValue<string | undefined>>((input) =>
      input.pipe(
        toWindowTable<string>('totals', {
          keyOf: () => 'x',
          windowOf: () => of,
          value: (text) => (text === 'none' ? undefined : text),
          retain_ms: Number.POSITIVE_INFINITY,
        }),
      ),
    );
    await driver.push('one');
    await driver.advanceTo(1_000 * MINUTE_MS);
    driver.commit();
    expect(rowsOf(driver, 'totals')).toEqual({ windows: 1 });
    await driver.push('none');
    driver.commit();
    expect(rowsOf(driver, 'totals')).toEqual({ windows: 0 });
  });

  it('is what can be queried; the state of the window itself gives a reason, not an empty answer', async () => {
    const driver = await TestDriver.start<Result, unknown>((input) =>
      input.pipe(
        window('sales', {
          keyOf: ({ shop }) => shop,
          timeOf: ({ start_ms }) => start_ms,
          window: tumbling({ size_ms: MINUTE_MS }),
          aggregate: count(),
        }),
      ),
    );
    await driver.push(result('x', 1, 1));
    driver.commit();
    const answer = queryTable(driver.disk.reader(), 'sales', { kind: 'key', key: 'x' });
    expect(answer).toMatchObject({
      ok: false,
      reason: 'bad_query',
      message: expect.stringContaining('of kind "window"'),
    });
  });

  it('refuses a window and a retention that are none', async () => {
    const driver = await TestDriver.start(build);
    await expect(driver.push(result('x', Number.NaN, 1))).rejects.toMatchObject({ code: 'bad_event_time' });
    for (const retain_ms of [-1, Number.NaN, 0.5]) {
      await expect(TestDriver.start(retained(retain_ms))).rejects.toMatchObject({ code: 'bad_config' });
    }
  });

  it('puts windows aside that are outside the time it holds, and goes on', async () => {
    const outside = [result('x', -1, 1), result('x', Math.ceil(2 ** 48 / MINUTE_MS), 2)];
    const driver = await TestDriver.start<Result, unknown>((input) => build(input).side('refused'));
    await driver.push(...outside, result('x', 0, 3));
    expect(driver.out).toEqual(outside);
    expect(driver.counter('millrace.to_window_table.refused')).toBe(2);
    driver.commit();
    expect(totalsIn(driver, 'x', 0, 9)).toEqual([[0, 3]]);
    expect(rowsOf(driver, 'totals').windows).toBe(1);
  });

  it('keeps the last windows of a key apart from those of a key that goes on with a NUL', async () => {
    const [last_ms, beyond_ms] = [0xff * 2 ** 40 - MINUTE_MS, 0xff * 2 ** 40];
    const at = (shop: string, start_ms: number): Result => ({ shop, start_ms, total: start_ms });
    const driver = await TestDriver.start<Result, Result>((input) =>
      retained(Number.POSITIVE_INFINITY)(input).side('refused'),
    );
    await driver.push(at('x', last_ms), at('x\0', 7), at('x', beyond_ms));
    driver.commit();
    expect(driver.out).toEqual([at('x', beyond_ms)]);
    for (const [key, start_ms] of [
      ['x', last_ms],
      ['x\0', 7],
    ] as const) {
      const query = { kind: 'window', key, start_ms: 0, end_ms: 2 ** 48 - 1, reverse: true } as const;
      expect(queryTable(driver.disk.reader(), table, query)).toMatchObject({ values: [{ key, start_ms }] });
    }
  });

  it('goes by the retention of the last start; one beyond all times is for ever', async () => {
    const driver = await TestDriver.start(build);
    await driver.push(result('x', 0, 1));
    for (const retain_ms of [2 * RETAIN_MS, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
      const again = await TestDriver.start(retained(retain_ms), { snapshot: driver.snapshot() });
      await again.push(result('x', 1, 2));
      await again.advanceTo(MINUTE_MS + RETAIN_MS);
      await again.push(result('x', 0, 3));
      await again.advanceTo(MINUTE_MS + 2 * RETAIN_MS - 1);
      again.commit();
      expect(totalsIn(again, 'x', 0, 9)).toEqual([
        [0, 3],
        [1, 2],
      ]);
      await again.advanceTo(2 * MINUTE_MS + 2 * RETAIN_MS);
      again.commit();
      expect(rowsOf(again, 'totals').windows).toBe(retain_ms === 2 * RETAIN_MS ? 0 : 2);
      expect(rowsOf(again, 'totals').timers).toBe(0);
    }
  });

  it('is the same after crashes and moves', async () => {
    const anyResult = fc.record({ shop: fc.constantFrom('x', 'y'), minute: fc.nat(5) });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(anyResult, { maxLength: 10, selector: (r) => `${r.shop}${r.minute}` }),
        fc.integer(),
        async (windows, seed) => {
          const results = windows.map(({ shop, minute }, index) => result(shop, minute, index));
          const { driver } = await runAnyWay(build, results, {
            timeOf: ({ start_ms }) => start_ms,
            seed,
            end_ms: 3 * MINUTE_MS + RETAIN_MS,
          });
          for (const shop of ['x', 'y']) {
            const expected = results
              .filter((one) => one.shop === shop && one.start_ms >= 3 * MINUTE_MS)
              .map(({ start_ms, total }) => [start_ms / MINUTE_MS, total as number] as const)
              .sort(([a], [b]) => a - b);
            expect(totalsIn(driver, shop, 0, 100)).toEqual(expected);
          }
        },
      ),
      { numRuns: 50 },
    );
  });
});
