import { describe, expect, it } from 'vitest';
import { type Stream, stringCodec, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { map } from '../core/index.ts';
import { rowsOf, runAnyWay } from '../fixture-any-way.ts';
import { sessionize } from './sessionize.ts';
import { type Session, sessions } from './sessions.ts';

interface View {
  readonly user: string;
  readonly time_ms: number;
  readonly page: string;
}

const GAP_MS = 10;
const timeOf = ({ time_ms }: View): number => time_ms;
const keyOf = ({ user }: View): string => user;
const view = (user: string, time_ms: number, page = 'p'): View => ({ user, time_ms, page });

const events = (input: Stream<View>) =>
  input.pipe(
    sessionize<View>('sessionize', { keyOf, timeOf, gap_ms: GAP_MS }),
    map('text', ({ event, session, index }) => `${session} ${index} ${event.time_ms}${event.page}`),
  );
const lists =
  (max_events: number) =>
  (input: Stream<View>): Stream<Session<View>> =>
    input.pipe(sessions<View>('sessions', { keyOf, timeOf, gap_ms: GAP_MS, max_events }));

/** Sessions by looking at neighbours in the sorted list of a user's views. */
function sessionsOf(views: readonly View[]): View[][] {
  const found: View[][] = [];
  for (const user of new Set(views.map(keyOf))) {
    const own = views.filter((one) => one.user === user);
    own.sort((a, b) => a.time_ms - b.time_ms || (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    own.forEach((one, index) => {
      const before = own[index - 1];
      if (before === undefined || one.time_ms - before.time_ms > GAP_MS) found.push([one]);
      else found.at(-1)?.push(one);
    });
  }
  return found;
}

const anyViews = fc.array(
  fc.record({
    user: fc.constantFrom('a', 'b'),
    time_ms: fc.integer({ min: 0, max: 60 }),
    page: fc.constantFrom('x', 'y'),
  }),
  { maxLength: 25 },
);

describe('sessionize', () => {
  it('gives each event the session that it belongs to, joined by what came later', async () => {
    const driver = await TestDriver.start(events);
    await driver.push(view('a', 0), view('a', 20), view('b', 5));
    await driver.push(view('a', 10));
    await driver.advanceTo(100);
    await driver.push(view('a', 111), view('a', 100));
    await driver.advanceTo(200);
    expect(driver.out).toEqual([
      'a@0 0 0p',
      'b@5 0 5p',
      'a@0 1 10p',
      'a@0 2 20p',
      'a@100 0 100p',
      'a@111 0 111p',
    ]);
  });

  it('is what the sorted events say, for any order, batches, commits, crashes and moves', async () => {
    await fc.assert(
      fc.asyncProperty(anyViews, fc.integer(), async (views, seed) => {
        const expected = sessionsOf(views).flatMap((session) =>
          session.map(
            ({ user, time_ms, page }, index) => `${user}@${session[0]?.time_ms} ${index} ${time_ms}${page}`,
          ),
        );
        const { driver, out } = await runAnyWay(events, views, { timeOf, seed, end_ms: 100 });
        expect(out.toSorted()).toEqual(expected.sort());
        expect(rowsOf(driver, 'sessionize')).toMatchObject({ state: 0, waiting: 0 });
      }),
      { numRuns: 100 },
    );
  });

  it('refuses a gap that is none', () => {
    expect(() => sessionize<View>('x', { keyOf, timeOf, gap_ms: -1 })).toThrow('gap_ms');
    expect(() => sessions<View>('x', { keyOf, timeOf, gap_ms: 1, max_events: 0 })).toThrow('max_events');
  });
});

describe('sessions', () => {
  it('emits a session when it is over, not before', async () => {
    const driver = await TestDriver.start(lists(100));
    await driver.push(view('a', 5, 'y'), view('a', 0, 'x'));
    await driver.advanceTo(15);
    expect(driver.out).toEqual([]);
    await driver.advanceTo(16);
    expect(driver.out).toEqual([
      {
        key: 'a',
        session: 'a@0',
        start_ms: 0,
        end_ms: 5,
        events: [view('a', 0, 'x'), view('a', 5, 'y')],
        closed_by: 'gap',
      },
    ]);
  });

  it('goes by the gap of the last start, for open sessions too', async () => {
    const gapOf = (gap_ms: number) => (input: Stream<View>) =>
      input.pipe(
        sessionize<View>('gaps', { keyOf, timeOf, gap_ms }),
        map('text', ({ event, session }) => `${session} ${event.time_ms}`),
      );
    const listsOf = (gap_ms: number) => (input: Stream<View>) =>
      input.pipe(
        sessions<View>('gaps', { keyOf, timeOf, gap_ms, max_events: 3 }),
        map('text', ({ session, events: all, closed_by }) => `${session} ${all.map(timeOf)} ${closed_by}`),
      );
    const run = async (
      build: (gap_ms: number) => (input: Stream<View>) => Stream<string>,
      gap_ms: number,
    ) => {
      const before = await TestDriver.start(build(10));
      await before.push(view('a', 0), view('b', 0), view('b', 1), view('b', 2));
      await before.advanceTo(5);
      const after = await TestDriver.start(build(gap_ms), { snapshot: before.snapshot() });
      await after.push(view('a', 6), view('b', 6), view('a', 20), view('a', 60));
      await after.advanceTo(21);
      await after.advanceTo(500);
      after.commit();
      expect(rowsOf(after, 'gaps')).toMatchObject({ state: 0, waiting: 0, timers: 0 });
      return after.out;
    };
    expect(await run(gapOf, 30)).toEqual(['a@0 6', 'b@0 6', 'a@0 20', 'a@60 60']);
    expect(await run(gapOf, 2)).toEqual(['a@6 6', 'b@6 6', 'a@20 20', 'a@60 60']);
    expect(await run(listsOf, 30)).toEqual(['a@0 0,6,20 limit', 'b@0/1 6 gap', 'a@60 60 gap']);
    expect(await run(listsOf, 2)).toEqual([
      'a@0 0 gap',
      'a@6 6 gap',
      'b@6 6 gap',
      'a@20 20 gap',
      'a@60 60 gap',
    ]);
  });

  it('cuts a session that has reached its limit', async () => {
    const driver = await TestDriver.start(lists(2));
    await driver.push(...[0, 1, 2, 3, 4].map((time_ms) => view('a', time_ms)), view('b', 0), view('b', 1));
    await driver.advanceTo(50);
    const seen = driver.out.map((one) => `${one.session} ${one.start_ms}-${one.end_ms} ${one.closed_by}`);
    expect(seen).toEqual(['a@0 0-1 limit', 'b@0 0-1 limit', 'a@0/1 2-3 limit', 'a@0/2 4-4 gap']);
    expect(driver.counter('millrace.sessions.cut')).toBe(3);
  });

  it('is what the sorted events say, for any order, batches, commits, crashes and moves', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyViews,
        fc.integer({ min: 1, max: 4 }),
        fc.integer(),
        async (views, max_events, seed) => {
          const { driver, out } = await runAnyWay(lists(max_events), views, { timeOf, seed, end_ms: 100 });
          const expected = sessionsOf(views).flatMap((session) => {
            const parts: View[][] = [];
            for (let at = 0; at < session.length; at += max_events)
              parts.push(session.slice(at, at + max_events));
            return parts;
          });
          const order = (parts: readonly (readonly View[])[]): string[] =>
            parts.map((p) => JSON.stringify(p)).sort();
          expect(order(out.map((one) => one.events))).toEqual(order(expected));
          for (const one of out) expect(one.closed_by === 'limit').toBe(one.events.length === max_events);
          expect(rowsOf(driver, 'sessions')).toMatchObject({ state: 0, waiting: 0 });
        },
      ),
      { numRuns: 100 },
    );
  });

  it('events may have a codec', async () => {
    const build = (input: Stream<string>) =>
      input.pipe(
        sessions<string>('sessions', {
          keyOf: () => 'k',
          timeOf: (text) => text.length,
          gap_ms: 5,
          max_events: 10,
          codec: stringCodec,
        }),
      );
    let driver = await TestDriver.start(build);
    await driver.push('aaa', 'a');
    driver.commit();
    driver = await driver.restart();
    await driver.advanceTo(3);
    driver.commit();
    driver = await driver.restart();
    await driver.advanceTo(100);
    expect(driver.out.map((one) => one.events)).toEqual([['a', 'aaa']]);
  });

  it('keeps nothing of 20,000 sessions that are over', async () => {
    const driver = await TestDriver.start(lists(5));
    for (let first = 0; first < 20_000; first += 5_000) {
      await driver.push(...Array.from({ length: 5_000 }, (_, n) => view(`u${first + n}`, first)));
      await driver.advanceTo(first + 20);
      driver.commit();
    }
    expect(driver.out).toHaveLength(20_000);
    expect(rowsOf(driver, 'sessions')).toEqual({ state: 0, waiting: 0, progress: 1, timers: 0 });
  });
});
