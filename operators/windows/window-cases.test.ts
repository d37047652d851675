import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import {
  type ObservedConfig,
  type ObservedResult,
  observe,
  observed,
  type Reading,
  rowsLeft,
} from './fixture-window.ts';
import { earlyEvery, earlyEveryEvents } from './trigger.ts';
import { window } from './window.ts';
import type { WindowResult } from './window-types.ts';
import { countWindow, cumulate, global, hopping, session, sliding, tumbling } from './windows.ts';

let nextId = 0;
const at = (time_ms: number, value = 1, key = 'a'): Reading => ({ id: nextId++, key, time_ms, value });
const start = (config: ObservedConfig) => TestDriver.start<Reading, ObservedResult>(observe(config));
/** `key [start, end) total kind index`, with a minus before a retraction. */
const told = (results: readonly ObservedResult[]): string[] =>
  results.map(
    ({ key, window: { start_ms, end_ms }, value, pane, kind }) =>
      `${kind === 'retract' ? '-' : ''}${key} [${start_ms}, ${end_ms}) ${value.total} ${pane.kind} ${pane.index}`,
  );

describe('boundaries', () => {
  it('an event on an edge is in the window that begins there; times may be negative or zero', async () => {
    const driver = await start({ window: tumbling({ size_ms: 10 }) });
    await driver.push(at(-11), at(-10), at(-1), at(0), at(9), at(10));
    await driver.advanceTo(-1);
    expect(told(driver.take())).toEqual(['a [-20, -10) 1 onTime 0']);
    await driver.advanceTo(0);
    expect(told(driver.take())).toEqual(['a [-10, 0) 2 onTime 0']);
    await driver.advanceTo(20);
    expect(told(driver.take())).toEqual(['a [0, 10) 2 onTime 0', 'a [10, 20) 1 onTime 0']);
  });

  it('an offset moves all windows, also a negative one', async () => {
    for (const offset_ms of [3, -7]) {
      const driver = await start({ window: tumbling({ size_ms: 10, offset_ms }) });
      await driver.push(at(2), at(3), at(12), at(13));
      await driver.advanceTo(100);
      expect(told(driver.out)).toEqual([
        'a [-7, 3) 1 onTime 0',
        'a [3, 13) 2 onTime 0',
        'a [13, 23) 1 onTime 0',
      ]);
    }
  });

  it('a session ends a gap after its last event, and an event exactly then begins another', async () => {
    const driver = await start({ window: session({ gap_ms: 10 }) });
    await driver.push(at(-15), at(-6), at(4), at(13));
    await driver.advanceTo(3);
    expect(told(driver.take())).toEqual([]);
    await driver.advanceTo(4);
    expect(told(driver.take())).toEqual(['a [-15, 4) 2 onTime 0']);
    await driver.advanceTo(23);
    expect(told(driver.take())).toEqual(['a [4, 23) 2 onTime 0']);
  });

  it('before 1970 sessions end when the watermark says so', async () => {
    const driver = await start({ window: session({ gap_ms: 10 }) });
    await driver.push(at(-100), at(-50));
    driver.commit();
    await driver.advanceTo(-90);
    await driver.advanceTo(-41);
    expect(told(driver.out)).toEqual(['a [-100, -90) 1 onTime 0']);
    const again = await driver.restart();
    await again.advanceTo(-40);
    expect(told(again.out)).toEqual(['a [-100, -90) 1 onTime 0', 'a [-50, -40) 1 onTime 0']);
  });

  it('a window around an event has both of its bounds in it, and is given just after them', async () => {
    const driver = await start({ window: sliding({ before_ms: 5, after_ms: 3 }) });
    await driver.push(at(4, 1), at(5, 2), at(10, 4), at(13, 8), at(14, 16));
    await driver.advanceTo(13);
    expect(told(driver.take())).toEqual(['a [-1, 8) 3 onTime 0', 'a [0, 9) 3 onTime 0']);
    await driver.advanceTo(14);
    expect(told(driver.take())).toEqual(['a [5, 14) 14 onTime 0']);
    await driver.advanceTo(100);
    expect(told(driver.take())).toEqual(['a [8, 17) 28 onTime 0', 'a [9, 18) 28 onTime 0']);
  });

  it('counts go by event time, equal times by what is stored, and a silent key gives what it has', async () => {
    const driver = await start({ window: countWindow({ count: 2, idle_ms: 100 }) });
    await driver.push(at(30, 8), at(10, 2), at(20, 4), at(5, 1), at(200, 16));
    await driver.advanceTo(10);
    expect(told(driver.take())).toEqual([]);
    await driver.advanceTo(11);
    expect(told(driver.take())).toEqual(['a [5, 11) 3 onTime 0']);
    await driver.advanceTo(201);
    expect(told(driver.take())).toEqual(['a [20, 31) 12 onTime 0']);
    await driver.advanceTo(300);
    expect(told(driver.take())).toEqual(['a [200, 201) 16 onTime 0']);
  });
});

describe('results', () => {
  it('come in the order of (end, key), whatever the order of arrival', async () => {
    const driver = await start({ window: hopping({ size_ms: 20, hop_ms: 10 }) });
    await driver.push(at(15, 1, 'b'), at(5, 1, 'c'), at(15, 1, 'a'), at(5, 1, 'b'));
    await driver.advanceTo(1_000);
    expect(driver.out.map(({ key, window: { end_ms } }) => `${end_ms} ${key}`)).toEqual([
      ...['10 b', '10 c', '20 a', '20 b', '20 c', '30 a', '30 b'],
    ]);
  });

  it('cumulating windows grow until the size is full', async () => {
    const driver = await start({ window: cumulate({ step_ms: 10, size_ms: 30 }) });
    await driver.push(at(1, 1), at(25, 2), at(31, 4));
    await driver.advanceTo(40);
    expect(told(driver.out)).toEqual([
      'a [0, 10) 1 onTime 0',
      'a [0, 20) 1 onTime 0',
      'a [0, 30) 3 onTime 0',
      'a [30, 40) 4 onTime 0',
    ]);
  });

  it('the sums of windows side by side are the sum of all', async () => {
    const driver = await start({ window: tumbling({ size_ms: 7, offset_ms: 2 }) });
    const readings = Array.from({ length: 1_000 }, (_, index) => at((index * 37) % 500, index * 0.1));
    for (let from = 0; from < readings.length; from += 90)
      await driver.push(...readings.slice(from, from + 90));
    await driver.advanceTo(1_000);
    const parts = driver.out.map(({ value: { total } }) => total).reduce((a, b) => a + b, 0);
    expect(parts).toBeCloseTo(49_950, 6);
  });

  it('one key for all, and one global window with early results', async () => {
    const driver = await start({ keyOf: () => '', window: global(), trigger: earlyEveryEvents(2) });
    await driver.push(at(1, 1, 'a'), at(-5, 2, 'b'), at(3, 4, 'c'));
    driver.commit();
    const again = await driver.restart();
    await again.push(at(9e12, 8));
    expect(again.out.map(({ key, value, pane }) => [key, value.total, pane])).toEqual([
      ['', 15, { kind: 'early', index: 1 }],
    ]);
  });
});

describe('late events', () => {
  const late = async (config: ObservedConfig) => {
    const driver = await TestDriver.start<Reading, Reading>((input) =>
      input.pipe(window('w', base(config))).side('late'),
    );
    return { driver };
  };
  const base = (config: ObservedConfig) => ({
    keyOf: ({ key }: Reading) => key,
    timeOf: ({ time_ms }: Reading) => time_ms,
    aggregate: observed,
    ...config,
  });

  it('go to the side output when all of their windows are closed, for every kind of window', async () => {
    for (const spec of [
      tumbling({ size_ms: 10 }),
      hopping({ size_ms: 10, hop_ms: 5 }),
      cumulate({ size_ms: 10, step_ms: 5 }),
      session({ gap_ms: 10 }),
      sliding({ before_ms: 3, after_ms: 3 }),
      countWindow({ count: 5 }),
    ]) {
      const { driver } = await late({ window: spec, allowedLateness_ms: 5 });
      await driver.advanceTo(1_000);
      await driver.push(at(900), at(1_000));
      expect(driver.out.map(({ time_ms }) => time_ms)).toEqual([900]);
      expect(driver.counter('millrace.window.late')).toBe(1);
    }
    const { driver } = await late({ window: tumbling({ size_ms: 10 }), trigger: earlyEvery(5) });
    await driver.advanceTo(1_000);
    await driver.push(at(999));
    expect(driver.counter('millrace.window.late')).toBe(1);
  });

  it('go there too when their time is no ms that timers can hold; what is no whole number is refused', async () => {
    for (const config of [
      { window: tumbling({ size_ms: 10 }) },
      { window: tumbling({ size_ms: 10 }), trigger: earlyEvery(5) },
      { window: global(), trigger: earlyEvery(5) },
      { window: session({ gap_ms: 10 }) },
      { window: sliding({ before_ms: 3, after_ms: 3 }) },
      { window: countWindow({ count: 5 }) },
    ]) {
      const { driver } = await late(config);
      await driver.push(at(2 ** 48), at(-(2 ** 52)), at(1));
      expect(driver.counter('millrace.window.late')).toBe(2);
      await expect(driver.push(at(Number.NaN))).rejects.toMatchObject({ code: 'bad_event_time' });
    }
  });

  it('behind the watermark an event still counts for the windows that are open', async () => {
    for (const trigger of [undefined, earlyEvery(1_000)]) {
      const driver = await start({
        window: hopping({ size_ms: 30, hop_ms: 10 }),
        ...(trigger === undefined ? {} : { trigger }),
      });
      await driver.push(at(5, 1));
      await driver.advanceTo(20);
      await driver.push(at(6, 2), at(7, 4, 'b'));
      await driver.advanceTo(100);
      expect(told(driver.out.filter(({ pane }) => pane.kind === 'onTime'))).toEqual([
        ...['a [-20, 10) 1 onTime 0', 'a [-10, 20) 1 onTime 0'],
        ...['a [0, 30) 3 onTime 0', 'b [0, 30) 4 onTime 0'],
      ]);
      expect(driver.counter('millrace.window.late')).toBe(0);
    }
  });

  it('within the allowed lateness they fire their windows again, as the mode says', async () => {
    const run = async (mode: 'accumulate' | 'discard' | 'retract', isEarly: boolean) => {
      const driver = await start({
        window: tumbling({ size_ms: 10 }),
        allowedLateness_ms: 10,
        mode,
        ...(isEarly ? { trigger: earlyEveryEvents(100) } : {}),
      });
      await driver.push(at(1, 1));
      await driver.advanceTo(10);
      await driver.push(at(2, 2), at(3, 4), at(3, 8, 'b'));
      await driver.advanceTo(20);
      await driver.push(at(4, 16));
      expect(driver.counter('millrace.window.late')).toBe(1);
      return told(driver.out);
    };
    for (const isEarly of [false, true]) {
      expect(await run('accumulate', isEarly)).toEqual([
        ...['a [0, 10) 1 onTime 0', 'a [0, 10) 3 late 1', 'a [0, 10) 7 late 2', 'b [0, 10) 8 late 0'],
      ]);
      expect(await run('discard', isEarly)).toEqual([
        ...['a [0, 10) 1 onTime 0', 'a [0, 10) 2 late 1', 'a [0, 10) 4 late 2', 'b [0, 10) 8 late 0'],
      ]);
      expect(await run('retract', isEarly)).toEqual([
        ...['a [0, 10) 1 onTime 0', '-a [0, 10) 1 onTime 0', 'a [0, 10) 3 late 1'],
        ...['-a [0, 10) 3 late 1', 'a [0, 10) 7 late 2', 'b [0, 10) 8 late 0'],
      ]);
    }
  });

  it('merge sessions that were given, which are taken back before the merged one', async () => {
    const driver = await start({ window: session({ gap_ms: 10 }), allowedLateness_ms: 100, mode: 'retract' });
    await driver.push(at(0, 1), at(15, 2));
    await driver.advanceTo(30);
    await driver.push(at(8, 4));
    expect(told(driver.out)).toEqual([
      ...['a [0, 10) 1 onTime 0', 'a [15, 25) 2 onTime 0'],
      ...['-a [0, 10) 1 onTime 0', '-a [15, 25) 2 onTime 0', 'a [0, 25) 7 late 1'],
    ]);
  });
});

describe('early results', () => {
  it('after every so many events of a key, and on time in the end', async () => {
    const run = async (mode: 'accumulate' | 'discard' | 'retract') => {
      const driver = await start({ window: tumbling({ size_ms: 10 }), trigger: earlyEveryEvents(2), mode });
      await driver.push(at(1, 1), at(2, 2), at(3, 4), at(4, 8));
      await driver.advanceTo(10);
      return told(driver.out);
    };
    expect(await run('accumulate')).toEqual([
      ...['a [0, 10) 3 early 0', 'a [0, 10) 15 early 1', 'a [0, 10) 15 onTime 2'],
    ]);
    expect(await run('discard')).toEqual(['a [0, 10) 3 early 0', 'a [0, 10) 12 early 1']);
    expect(await run('retract')).toEqual([
      ...['a [0, 10) 3 early 0', '-a [0, 10) 3 early 0', 'a [0, 10) 15 early 1'],
    ]);
  });

  it('at multiples of an interval of event time, for the keys with something new', async () => {
    for (const spec of [tumbling({ size_ms: 100 }), session({ gap_ms: 100 })]) {
      const driver = await start({ window: spec, trigger: earlyEvery(10) });
      await driver.push(at(0, 1), at(0, 2, 'b'));
      await driver.advanceTo(9);
      expect(driver.take()).toEqual([]);
      await driver.advanceTo(25);
      expect(told(driver.take())).toEqual(['a [0, 100) 1 early 0', 'b [0, 100) 2 early 0']);
      await driver.push(at(0, 4));
      await driver.advanceTo(29);
      expect(driver.take()).toEqual([]);
      driver.commit();
      const again = await driver.restart();
      await again.advanceTo(30);
      expect(told(again.take())).toEqual(['a [0, 100) 5 early 1']);
      await again.advanceTo(100);
      expect(told(again.take())).toEqual(['a [0, 100) 5 onTime 2', 'b [0, 100) 2 onTime 1']);
    }
  });
});

describe('limits and refusals', () => {
  it('events past a limit on open windows go to a side output and are counted', async () => {
    for (const config of [
      { window: tumbling({ size_ms: 10 }), max_open_windows: 1 },
      { window: tumbling({ size_ms: 10 }), max_open_windows: 1, trigger: earlyEvery(5) },
      { window: session({ gap_ms: 10 }), max_open_per_key: 1 },
      { window: sliding({ before_ms: 1, after_ms: 1 }), max_open_per_key: 1 },
      { window: countWindow({ count: 5 }), max_open_per_key: 1 },
    ]) {
      const driver = await start(config);
      await driver.push(at(5), at(1_000));
      expect(driver.counter('millrace.window.overflow')).toBe(1);
      expect(driver.counter('millrace.window.late')).toBe(0);
    }
  });

  it('asks for a commit when many accumulators have changed', async () => {
    const driver = await start({ window: tumbling({ size_ms: 10 }), max_uncommitted_rows: 2 });
    await driver.push(at(1, 1, 'a'), at(1, 1, 'b'));
    expect(driver.progress).toBeUndefined();
    await driver.push(at(1, 1, 'c'));
    expect(driver.progress?.commit).toBe(1);
  });

  it('configurations without a meaning', () => {
    const given = (config: ObservedConfig) => () => observe(config)({ pipe: () => undefined } as never);
    expect(() => tumbling({ size_ms: 0 })).toThrow(/size_ms must be a positive integer/);
    expect(() => hopping({ size_ms: 10, hop_ms: 20 })).toThrow(/events would be lost/);
    expect(() => cumulate({ size_ms: 10, step_ms: 3 })).toThrow(/no multiple/);
    expect(() => sliding({ before_ms: -1, after_ms: 0 })).toThrow(/negative/);
    expect(() => earlyEveryEvents(0)).toThrow(/positive integer/);
    expect(() => earlyEvery(0)).toThrow(/positive/);
    expect(given({ window: global() })).toThrow(/early trigger/);
    expect(given({ window: countWindow({ count: 2 }), trigger: earlyEvery(5) })).toThrow(/no early results/);
    expect(given({ window: tumbling({ size_ms: 1 }), allowedLateness_ms: -1 })).toThrow(/negative/);
  });

  it('state of another definition', async () => {
    const driver = await start({ window: tumbling({ size_ms: 10 }) });
    await driver.push(at(1));
    const snapshot = driver.snapshot();
    const open = (config: ObservedConfig) => TestDriver.start(observe(config), { snapshot });
    await expect(open({ window: tumbling({ size_ms: 20 }) })).rejects.toMatchObject({
      code: 'topology_changed',
      message: expect.stringContaining(
        'window was "tumbling, size_ms 10, offset_ms 0" and is "tumbling, size_ms 20, offset_ms 0"',
      ),
    });
    await expect(open({ window: session({ gap_ms: 20 }) })).rejects.toMatchObject({
      code: 'topology_changed',
    });
    const other = (input: Stream<Reading>): Stream<WindowResult<{ ids: number[] }>> =>
      input.pipe(
        window('w', {
          keyOf: ({ key }: Reading) => key,
          timeOf: ({ time_ms }: Reading) => time_ms,
          window: tumbling({ size_ms: 10 }),
          aggregate: { ids: observed.ids },
        }),
      );
    await expect(TestDriver.start(other, { snapshot })).rejects.toMatchObject({ code: 'topology_changed' });
    await expect(open({ window: tumbling({ size_ms: 10 }), allowedLateness_ms: 7 })).resolves.toBeDefined();
  });
});

describe('state is bounded', () => {
  it.each([
    ['tumbling', { window: tumbling({ size_ms: 100 }) }, 100_000],
    ['paned', { window: tumbling({ size_ms: 100 }), trigger: earlyEveryEvents(2) }, 50_000],
    ['session', { window: session({ gap_ms: 5 }) }, 25_000],
    ['sliding', { window: sliding({ before_ms: 5, after_ms: 5 }) }, 25_000],
    ['count', { window: countWindow({ count: 3, idle_ms: 50 }) }, 25_000],
  ] satisfies [string, ObservedConfig, number][])(
    '%s: keys that come once leave nothing',
    async (_, config, most) => {
      const keys = most * sizes.passing_keys_factor;
      const batch = keys / 5;
      const driver = await start({ ...config, max_cached_rows: batch / 5 });
      let cached = 0;
      for (let from = 0; from < keys; from += batch) {
        const time_ms = from / 20;
        await driver.push(
          ...Array.from({ length: batch }, (_, index) => at(time_ms, 1, `key ${from + index}`)),
        );
        await driver.advanceTo(time_ms);
        driver.commit();
        driver.out.length = 0;
        cached = Math.max(cached, driver.counter('millrace.window.cached'));
      }
      expect(cached).toBeLessThan(3 * batch);
      await driver.advanceTo(keys);
      driver.commit();
      expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
      expect(driver.counter('millrace.window.results')).toBe(keys);
    },
    60_000,
  );
});
