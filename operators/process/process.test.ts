import { describe, expect, expectTypeOf, it } from 'vitest';
import { type Stream, TestDriver, uintKey } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { map } from '../core/index.ts';
import { rowsOf, runAnyWay } from '../fixture-any-way.ts';
import { keyedProcess } from './process.ts';

interface Click {
  readonly user: string;
  readonly time_ms: number;
  readonly page: string;
}

const click = (user: string, time_ms: number, page = 'p'): Click => ({ user, time_ms, page });
const keyOf = ({ user }: Click): string => user;
const timeOf = ({ time_ms }: Click): number => time_ms;

/** Counts a user's clicks and says so when there was none for 100 ms. */
const quiet = keyedProcess<Click, string, { count: number; last_ms: number }>('quiet', {
  keyOf,
  timeOf,
  initial: () => ({ count: 0, last_ms: 0 }),
  onEvent: (_, context) => {
    const { count, last_ms } = context.state;
    context.setState({ count: count + 1, last_ms: Math.max(last_ms, context.time_ms) });
    context.timers.clear(last_ms + 100);
    context.timers.set(Math.max(last_ms, context.time_ms) + 100);
  },
  onTimer: (time_ms, context) => {
    context.emit(`${context.key}: ${context.state.count} clicks, quiet at ${time_ms}`);
    context.clearState();
  },
});

describe('process', () => {
  it('has state for each key and timers that fire at their time, once', async () => {
    const driver = await TestDriver.start<Click, string>((input) => input.pipe(quiet));
    await driver.push(click('a', 10), click('b', 20), click('a', 60));
    await driver.advanceTo(119);
    expect(driver.out).toEqual([]);
    await driver.advanceTo(160);
    expect(driver.out).toEqual(['b: 1 clicks, quiet at 120', 'a: 2 clicks, quiet at 160']);
    await driver.advanceTo(1_000);
    driver.commit();
    expect(driver.out).toHaveLength(2);
    expect(rowsOf(driver, 'quiet')).toEqual({ state: 0, waiting: 0, progress: 1, timers: 0 });
  });

  it('takes no key that is missing for one', async () => {
    const driver = await TestDriver.start<Click, string>((input) => input.pipe(quiet));
    const missing = { time_ms: 1, page: 'p' } as Click;
    await expect(driver.push(missing)).rejects.toMatchObject({ code: 'bad_text' });
  });

  it('state and timers come back after a crash, what was not committed does not', async () => {
    const first = await TestDriver.start<Click, string>((input) => input.pipe(quiet));
    await first.push(click('a', 10));
    await first.advanceTo(20);
    first.commit();
    await first.push(click('a', 30), click('b', 40));
    const second = await first.restart();
    await second.push(click('a', 30));
    await second.advanceTo(500);
    expect(second.out).toEqual(['a: 2 clicks, quiet at 130']);
  });

  it('timers set by timers fire in the same turn, in the order of time', async () => {
    const driver = await TestDriver.start<Click, string>((input) =>
      input.pipe(
        keyedProcess<Click, string, undefined>('tick', {
          keyOf,
          timeOf,
          onEvent: (_, { time_ms, timers }) => timers.set(time_ms + 10),
          onTimer: (time_ms, { key, state, watermark_ms, timers, emit }) => {
            expect(state).toBeUndefined();
            expect(watermark_ms).toBe(35);
            emit(`${key}${time_ms}`);
            // Its own time once more would never end: it is the next ms at the earliest.
            timers.set(time_ms === 20 ? 20 : time_ms + 10);
          },
        }),
      ),
    );
    await driver.push(click('a', 0), click('b', 5));
    await driver.advanceTo(35);
    expect(driver.out).toEqual(['a10', 'b15', 'a20', 'a21', 'b25', 'a31', 'b35']);
  });

  it('a timer for a time that has passed fires with the next watermark, with and without a restart', async () => {
    const build = (input: Stream<Click>) =>
      input.pipe(
        keyedProcess<Click, string, number>('past', {
          keyOf,
          initial: () => 0,
          onEvent: (_, context) => {
            context.setState(context.state + 1);
            context.timers.set(5);
          },
          onTimer: (_, context) => context.emit(`after ${context.state}`),
        }),
      );
    for (const crash of [false, true]) {
      let driver = await TestDriver.start(build);
      await driver.advanceTo(50);
      await driver.push(click('a', 1));
      driver.commit();
      if (crash) driver = await driver.restart();
      await driver.push(click('a', 2));
      await driver.advanceTo(51);
      expect(driver.out).toEqual(['after 2']);
    }
  });

  it('emits to typed side outputs, and without initial the state may be undefined', async () => {
    const build = (input: Stream<Click>) => {
      const firsts = input.pipe(
        keyedProcess<Click, string, number, { again: Click }>('first', {
          keyOf,
          sides: ['again'],
          codec: uintKey,
          onEvent: (event, context) => {
            expectTypeOf(context.state).toEqualTypeOf<number | undefined>();
            if (context.state === undefined) context.emit(event.user);
            else context.emitTo('again', event);
            context.setState((context.state ?? 0) + 1);
          },
        }),
      );
      expectTypeOf(firsts.side('again')).toEqualTypeOf<Stream<Click>>();
      expectTypeOf(firsts.side('late')).toEqualTypeOf<Stream<Click>>();
      return firsts.side('again').pipe(map('page', ({ page }) => page));
    };
    const driver = await TestDriver.start<Click, string>(build);
    await driver.push(click('a', 1, 'x'), click('a', 2, 'y'), click('b', 3, 'z'));
    expect(driver.out).toEqual(['y']);
  });

  it('infers the event from the stream that it is put into', () => {
    const build = (input: Stream<Click>) =>
      input.pipe(
        keyedProcess('inferred', {
          keyOf: (event) => event.user,
          initial: () => ({ pages: 0 }),
          onEvent: (event, context) => {
            expectTypeOf(event).toEqualTypeOf<Click>();
            expectTypeOf(context.state).toEqualTypeOf<{ pages: number }>();
          },
        }),
      );
    expect(build).toBeInstanceOf(Function);
  });

  it('refuses the state of another order: its timers lie at other times', async () => {
    const ordered = (order: 'arrival' | 'time') => (input: Stream<Click>) =>
      input.pipe(
        keyedProcess<Click, never, undefined>('x', { keyOf, timeOf, order, onEvent: () => undefined }),
      );
    const driver = await TestDriver.start(ordered('time'));
    const snapshot = driver.snapshot();
    await expect(TestDriver.start(ordered('arrival'), { snapshot })).rejects.toMatchObject({
      code: 'topology_changed',
      message: expect.stringContaining('order was "time" and is "arrival"'),
    });
  });

  it('refuses the order of time without a time, and times that are none', async () => {
    const config = { keyOf, onEvent: () => undefined } as const;
    expect(() => keyedProcess<Click, never, undefined>('x', { ...config, order: 'time' })).toThrow('timeOf');
    const driver = await TestDriver.start<Click, never>((input) =>
      input.pipe(keyedProcess<Click, never, undefined>('x', { ...config, order: 'time', timeOf })),
    );
    await expect(driver.push(click('a', 1.5))).rejects.toMatchObject({ code: 'bad_event_time' });
  });
});

/** Everything that it sees, as text; depends on the order as much as anything can. */
const trace = (input: Stream<Click>) =>
  input.pipe(
    keyedProcess<Click, string, string>('trace', {
      keyOf,
      timeOf,
      order: 'time',
      initial: () => '',
      onEvent: ({ page, time_ms }, context) => {
        context.setState(`${context.state}${page}`);
        context.emit(`${context.key}@${time_ms} ${context.state}`);
        context.timers.set(time_ms + 7);
        if (page === 'c') context.timers.clear(time_ms + 5);
      },
      onTimer: (time_ms, context) => {
        context.emit(`${context.key}@${time_ms} timer after ${context.state}`);
        if (context.state.length > 2) context.clearState();
        else if (context.state.length > 1) context.timers.set(time_ms + 3);
      },
    }),
  );

/** What `trace` does to the sorted events, one user at a time. */
function traceBySorting(clicks: readonly Click[], end_ms: number): string[] {
  const lines: { time_ms: number; kind: number; user: string; text: string; turn: number }[] = [];
  for (const user of new Set(clicks.map(keyOf))) {
    let state = '';
    let turn = 0;
    const timers = new Set<number>();
    const fireBefore = (limit_ms: number): void => {
      for (;;) {
        const time_ms = Math.min(...timers);
        if (time_ms >= limit_ms) return;
        timers.delete(time_ms);
        const text = `${user}@${time_ms} timer after ${state}`;
        lines.push({ time_ms, kind: 1, user, text, turn: turn++ });
        if (state.length > 2) state = '';
        else if (state.length > 1) timers.add(time_ms + 3);
      }
    };
    const own = clicks.filter((event) => event.user === user);
    own.sort((a, b) => a.time_ms - b.time_ms || (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    for (const { time_ms, page } of own) {
      fireBefore(time_ms);
      state += page;
      lines.push({ time_ms, kind: 0, user, text: `${user}@${time_ms} ${state}`, turn: turn++ });
      timers.add(time_ms + 7);
      if (page === 'c') timers.delete(time_ms + 5);
    }
    fireBefore(end_ms);
  }
  lines.sort(
    (a, b) =>
      a.time_ms - b.time_ms ||
      a.kind - b.kind ||
      (a.user < b.user ? -1 : a.user > b.user ? 1 : a.turn - b.turn),
  );
  return lines.map(({ text }) => text);
}

describe('process in the order of time', () => {
  it('is what sorting would give, for any order, batches, commits, crashes and moves', async () => {
    const anyClick = fc.record({
      user: fc.constantFrom('a', 'b'),
      time_ms: fc.integer({ min: 0, max: 40 }),
      page: fc.constantFrom('c', 'd', 'e'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyClick, { maxLength: 25 }), fc.integer(), async (clicks, seed) => {
        const { driver, out } = await runAnyWay<Click, string>(trace, clicks, { timeOf, seed, end_ms: 80 });
        expect(out).toEqual(traceBySorting(clicks, 80));
        expect(rowsOf(driver, 'trace').waiting).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('puts late events aside and counts them', async () => {
    const driver = await TestDriver.start<Click, string>((input) =>
      trace(input)
        .side('late')
        .pipe(map('late-page', ({ page }) => page)),
    );
    await driver.push(click('a', 10, 'x'));
    await driver.advanceTo(10);
    await driver.push(click('a', 10, 'y'), click('a', 9, 'z'));
    expect(driver.out).toEqual(['z']);
    expect(driver.counter('millrace.process.late')).toBe(1);
  });

  it('keeps nothing of 20,000 keys that have come and gone', async () => {
    const driver = await TestDriver.start<Click, string>((input) =>
      input.pipe(
        keyedProcess<Click, string, number>('many', {
          keyOf,
          timeOf,
          order: 'time',
          initial: () => 0,
          cacheRows: 1_000,
          onEvent: (_, { state, setState, time_ms, timers }) => {
            setState(state + 1);
            timers.set(time_ms + 50);
          },
          onTimer: (_, context) => context.clearState(),
        }),
      ),
    );
    for (let first = 0; first < 20_000; first += 5_000) {
      await driver.push(...Array.from({ length: 5_000 }, (_, n) => click(`u${first + n}`, first + n)));
      await driver.advanceTo(first);
      driver.commit();
    }
    expect(rowsOf(driver, 'many').waiting).toBe(5_000);
    await driver.advanceTo(200_000);
    driver.commit();
    expect(rowsOf(driver, 'many')).toEqual({ state: 0, waiting: 0, progress: 1, timers: 0 });
  });
});
