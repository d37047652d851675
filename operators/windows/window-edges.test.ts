import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import type { Aggregate } from '../aggregates/index.ts';
import { watermark } from '../core/index.ts';
import {
  type ObservedConfig,
  type ObservedResult,
  observe,
  type Reading,
  rowsLeft,
} from './fixture-window.ts';
import { earlyEvery, earlyEveryEvents } from './trigger.ts';
import { window } from './window.ts';
import type { WindowResult } from './window-types.ts';
import { countWindow, cumulate, hopping, session, sliding, tumbling } from './windows.ts';

let nextId = 0;
const at = (time_ms: number, value = 1, key = 'a'): Reading => ({ id: nextId++, key, time_ms, value });
const told = (results: readonly ObservedResult[]): string[] =>
  results.map(
    ({ key, window: { start_ms, end_ms }, value }) => `${key} [${start_ms}, ${end_ms}) ${value.total}`,
  );

const KINDS: readonly ObservedConfig[] = [
  { window: tumbling({ size_ms: 10 }) },
  { window: tumbling({ size_ms: 10 }), trigger: earlyEvery(5) },
  { window: hopping({ size_ms: 10, hop_ms: 5 }) },
  { window: hopping({ size_ms: 10, hop_ms: 5 }), trigger: earlyEveryEvents(1) },
  { window: cumulate({ size_ms: 10, step_ms: 5 }) },
  { window: cumulate({ size_ms: 10, step_ms: 5 }), trigger: earlyEvery(5) },
  { window: session({ gap_ms: 10 }) },
  { window: session({ gap_ms: 10 }), trigger: earlyEvery(5) },
  { window: sliding({ before_ms: 3, after_ms: 3 }) },
  { window: countWindow({ count: 5 }) },
];
const nameOf = ({ window: { kind }, trigger }: ObservedConfig): string =>
  `${kind}${trigger === undefined ? '' : `, early by ${trigger.kind}`}`;

describe.each(KINDS.map((config) => [nameOf(config), config] as const))('%s', (_, config) => {
  it('times in µs or ns, read as ms, stop nothing: they are late, and what comes after them is not', async () => {
    const NOW_MS = 1_700_000_000_000;
    const driver = await TestDriver.start<Reading, ObservedResult>((input: Stream<Reading>) =>
      observe(config)(
        input.pipe(watermark('time', { timeOf: ({ time_ms }) => time_ms, outOfOrderness_ms: 0 })),
      ),
    );
    await driver.push(at(NOW_MS));
    driver.commit();
    for (const time_ms of [NOW_MS * 1e3, NOW_MS * 1e6, -NOW_MS * 1e6, Number.MAX_VALUE]) {
      await driver.push(at(time_ms), at(time_ms));
    }
    expect(driver.counter('millrace.window.late')).toBe(8);
    await driver.push(at(NOW_MS + 1), at(NOW_MS + 10 ** 9));
    expect(driver.counter('millrace.window.late')).toBe(8);
    expect(driver.out.at(-1)?.window.start_ms).toBeGreaterThan(NOW_MS - 10);
  });

  it.each([0, 7])(
    'a watermark at Infinity ends what is open; allowed lateness %i',
    async (allowedLateness_ms) => {
      const driver = await TestDriver.start(observe({ ...config, allowedLateness_ms }));
      await driver.push(at(-5, 2), at(3, 4), at(2 ** 48 - 2, 8));
      driver.commit();
      await driver.advanceTo(Number.POSITIVE_INFINITY);
      await driver.push(at(2 ** 48 - 2, 16));
      expect(driver.counter('millrace.window.late')).toBe(1);
      const latest = new Map(driver.out.map((result) => [told([result])[0], result]));
      expect([...latest.values()].some(({ value: { ids } }) => ids.includes(nextId - 2))).toBe(true);
      driver.commit();
      expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
      const again = await driver.restart();
      await again.advanceTo(Number.POSITIVE_INFINITY);
      await again.push(at(0));
      expect(again.counter('millrace.window.late')).toBe(1);
    },
  );

  it('with less allowed lateness than before, events are late or in a result, and nothing stays', async () => {
    const build = (allowedLateness_ms: number) => observe({ ...config, allowedLateness_ms, mode: 'discard' });
    const before = await TestDriver.start(build(16));
    await before.push(at(0));
    await before.advanceTo(12);
    let driver = await TestDriver.start(build(0), { snapshot: before.snapshot() });
    await driver.push(at(1));
    const late = driver.counter('millrace.window.late');
    const results: ObservedResult[] = [...before.out, ...driver.out];
    for (let move = 0; move < 2; move++) {
      driver = await TestDriver.start(build(0), { snapshot: driver.snapshot() });
    }
    await driver.advanceTo(10 ** 9);
    driver.commit();
    results.push(...driver.out);
    expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
    const isIn = results.some(({ value: { ids } }) => ids.includes(nextId - 1));
    expect(late).toBe(isIn ? 0 : 1);
  });

  it('with other allowed latenesses after restarts, what is taken back was given, and nothing stays', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ event: fc.integer({ min: -12, max: 6 }) }) },
      { weight: 3, arbitrary: fc.record({ move: fc.integer({ min: 1, max: 12 }) }) },
      { weight: 1, arbitrary: fc.record({ lateness: fc.constantFrom(0, 4, 9, 25, 60) }) },
    );
    const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const build = (allowedLateness_ms: number) =>
        observe({ ...config, allowedLateness_ms, mode: 'retract' });
      let driver = await TestDriver.start(build(0));
      let watermark_ms = 0;
      await driver.advanceTo(watermark_ms);
      const results: ObservedResult[] = [];
      let late = 0;
      let came = 0;
      const collect = (): void => {
        results.push(...driver.out);
        late += driver.counter('millrace.window.late');
      };
      for (const each of steps) {
        if ('event' in each) {
          came++;
          await driver.push(at(watermark_ms + each.event));
        } else if ('move' in each) {
          watermark_ms += each.move;
          await driver.advanceTo(watermark_ms);
        } else {
          driver.commit();
          collect();
          driver = await TestDriver.start(build(each.lateness), { snapshot: driver.snapshot() });
        }
      }
      await driver.advanceTo(10 ** 9);
      driver.commit();
      collect();
      const held = new Map<string, unknown>();
      for (const { key, window: of, kind, value } of results) {
        const name = `${key} ${of.start_ms} ${of.end_ms} ${config.window.kind === 'count' ? value.ids : ''}`;
        if (kind === 'retract') {
          expect(held.get(name)).toEqual(value);
          held.delete(name);
        } else {
          expect(held.has(name)).toBe(false);
          held.set(name, value);
        }
      }
      const given = new Set([...held.values()].flatMap((value) => (value as ObservedResult['value']).ids));
      expect(given.size + late).toBe(came);
      expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('keys that UTF-8 does not tell apart are keys of their own, also after a restart', async () => {
    const keys = ['\ud800', '\ud801', '\ufffd', '\0', '\0\0', ''];
    const driver = await TestDriver.start(observe({ ...config, max_cached_rows: 1 }));
    await driver.push(...keys.map((key, index) => at(1, 2 ** index, key)));
    driver.commit();
    const again = await driver.restart();
    await again.push(...keys.map((key, index) => at(1, 2 ** index, key)));
    await again.advanceTo(10 ** 9);
    const totals = new Map(again.out.map(({ key, value }) => [key, value.total]));
    expect(totals).toEqual(new Map(keys.map((key, index) => [key, 2 * 2 ** index])));
  });
});

describe('accumulators', () => {
  /** The sum, or null from the first negative value on. */
  const sumOrNull: Aggregate<Reading, number | null, string> = {
    init: () => 0,
    add: (acc, { value }) => (acc === null || value < 0 ? null : acc + value),
    merge: (a, b) => (a === null || b === null ? null : a + b),
    result: String,
  };

  it('may be null, which is no new one', async () => {
    for (const config of KINDS) {
      const driver = await TestDriver.start<Reading, WindowResult<string>>((input) =>
        input.pipe(
          window('w', {
            keyOf: ({ key }) => key,
            timeOf: ({ time_ms }) => time_ms,
            allowedLateness_ms: 100,
            ...config,
            aggregate: sumOrNull,
          }),
        ),
      );
      await driver.push(at(1, -1), at(1, 5), at(1, 6));
      await driver.advanceTo(10);
      if (config.window.kind !== 'count') await driver.push(at(1, 7));
      await driver.advanceTo(10 ** 9);
      expect(driver.out.length).toBeGreaterThan(0);
      expect(new Set(driver.out.map(({ value }) => value))).toEqual(new Set(['null']));
    }
  });
});
