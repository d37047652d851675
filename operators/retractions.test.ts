import { describe, expect, it } from 'vitest';
import {
  type Builder,
  type Operator,
  type Sides,
  type Stream,
  TestDriver,
  topology,
} from '../engine/index.ts';
import { fc } from '../test/property.ts';
import { avg, count, distinct, max, sum } from './aggregates/index.ts';
import { filter, map, watermark } from './core/index.ts';
import { dedup } from './dedup/index.ts';
import { runAnyWay } from './fixture-any-way.ts';
import { streamJoin } from './joins/index.ts';
import { rateLimit } from './process/index.ts';
import { begin, type FunnelChange, funnel, pattern, sessionize } from './sequences/index.ts';
import { toJetStream } from './sinks/index.ts';
import { toTable, toWindowTable } from './views/index.ts';
import {
  countWindow,
  earlyEveryEvents,
  session,
  tumbling,
  type WindowMode,
  type WindowResult,
  window,
} from './windows/index.ts';

interface Click {
  readonly user: string;
  readonly time_ms: number;
}

type Visit = WindowResult<number>;

const GAP_MS = 5;
const DAY_MS = 100;
const lengthOf = ({ window: of }: Visit): number => of.end_ms - of.start_ms - GAP_MS;

/** Sessions with results at every second event: most are taken back. */
const visits = (input: Stream<Click>, mode: WindowMode = 'retract'): Stream<Visit> =>
  input.pipe(
    window('visits', {
      keyOf: ({ user }) => user,
      timeOf: ({ time_ms }) => time_ms,
      window: session({ gap_ms: GAP_MS }),
      aggregate: count(),
      trigger: earlyEveryEvents(2),
      mode,
    }),
  );

const perDay = {
  keyOf: () => '',
  // By its beginning a session could come to be of another day.
  timeOf: ({ window: of }: Visit) => of.end_ms - 1,
  window: tumbling({ size_ms: DAY_MS }),
  allowedLateness_ms: 1_000,
} as const;

const aggregate = {
  visits: count(),
  clicks: sum(({ value }: Visit) => value),
  length: avg(lengthOf),
};

describe('a window over results that are taken back', () => {
  it('counts what stands', async () => {
    const driver = await TestDriver.start((input: Stream<Click>) =>
      visits(input).pipe(window('days', { ...perDay, aggregate })),
    );
    for (const start_ms of [0, 10, 20, 30, 40]) {
      await driver.push({ user: 'a', time_ms: start_ms }, { user: 'a', time_ms: start_ms + 1 });
      await driver.push({ user: 'a', time_ms: start_ms + 3 });
    }
    await driver.advanceTo(DAY_MS);
    expect(driver.out.map(({ value }) => value)).toEqual([{ visits: 5, clicks: 15, length: 3 }]);
  });

  it('is that over the results that stand in the end, in any order, with crashes and restarts', async () => {
    const clicks = fc.array(fc.record({ user: fc.constantFrom('a', 'b'), time_ms: fc.nat(3 * DAY_MS) }), {
      maxLength: 25,
    });
    await fc.assert(
      fc.asyncProperty(clicks, fc.integer(), async (given, seed) => {
        const options = { timeOf: ({ time_ms }: Click) => time_ms, seed, end_ms: 10_000, disorder_ms: 20 };
        const { out } = await runAnyWay(
          (input: Stream<Click>) => visits(input).pipe(window('days', { ...perDay, aggregate })),
          given,
          options,
        );
        const days = new Map(out.map(({ window: of, value }) => [of.start_ms, value.visits]));
        const wanted = new Map<number, number>();
        for (const user of ['a', 'b']) {
          const times = given
            .filter((click) => click.user === user)
            .map(({ time_ms }) => time_ms)
            .sort((x, y) => x - y);
          for (const [at, time_ms] of times.entries()) {
            const next_ms = times[at + 1] ?? Number.POSITIVE_INFINITY;
            if (next_ms - time_ms < GAP_MS) continue;
            const day_ms = Math.floor((time_ms + GAP_MS - 1) / DAY_MS) * DAY_MS;
            wanted.set(day_ms, (wanted.get(day_ms) ?? 0) + 1);
          }
        }
        const there = [...days].filter(([, visited]) => visited > 0).sort(([x], [y]) => x - y);
        expect(there).toEqual([...wanted].sort(([x], [y]) => x - y));
      }),
      { numRuns: 100 },
    );
  });

  it('behind a map is told by isRetraction', async () => {
    const driver = await TestDriver.start((input: Stream<Click>) =>
      visits(input).pipe(
        map('of', (visit: Visit) => ({ end_ms: visit.window.end_ms, isGone: visit.kind === 'retract' })),
        window('days', {
          keyOf: () => '',
          timeOf: ({ end_ms }) => end_ms - 1,
          window: tumbling({ size_ms: DAY_MS }),
          isRetraction: ({ isGone }) => isGone,
          aggregate: count(),
        }),
      ),
    );
    for (const time_ms of [0, 1, 2, 3, 20]) await driver.push({ user: 'a', time_ms });
    await driver.advanceTo(DAY_MS);
    expect(driver.out.map(({ value }) => value)).toEqual([2]);
  });

  it('where a record says so and the window cannot subtract, it says so too', async () => {
    const driver = await TestDriver.start((input: Stream<{ time_ms: number; kind: string }>) =>
      input.pipe(
        window('most', {
          keyOf: () => '',
          timeOf: ({ time_ms }) => time_ms,
          window: tumbling({ size_ms: 10 }),
          aggregate: max((event: { time_ms: number }) => event.time_ms),
        }),
      ),
    );
    await driver.push({ time_ms: 1, kind: 'insert' });
    await expect(driver.push({ time_ms: 1, kind: 'retract' })).rejects.toMatchObject({
      code: 'retractions_refused',
    });
  });
});

const clicksOf = (t: Builder): Stream<Click> =>
  t.source('clicks').pipe(
    map('parse', (): Click => ({ user: '', time_ms: 0 })),
    watermark('time', { timeOf: ({ time_ms }) => time_ms, outOfOrderness_ms: 0 }),
  );

describe('a topology', () => {
  const build = (behind: (visited: Stream<Visit>, t: Builder) => unknown) => () =>
    topology('t', (t) => {
      const clicks = clicksOf(t);
      behind(visits(clicks), t);
    });
  const on = { keyOf: ({ key }: Visit) => key, timeOf: ({ window: of }: Visit) => of.end_ms };
  const refusing: Readonly<Record<string, () => Operator<Visit, unknown, Sides>>> = {
    'sessions of sessions': () => window('w', { ...on, window: session({ gap_ms: 1 }), aggregate: count() }),
    'a count window': () => window('w', { ...on, window: countWindow({ count: 2 }), aggregate: count() }),
    'an aggregate that cannot subtract': () =>
      window('w', { ...perDay, aggregate: { n: count(), m: max(lengthOf) } }),
    'a set': () => window('w', { ...perDay, aggregate: distinct(lengthOf) }),
    'a pattern': () => pattern('p', { ...on, pattern: begin<Visit, 'a'>('a', () => true) }),
    'a funnel': () =>
      funnel('f', { ...on, steps: ['a', 'b'].map((name) => ({ name, matches: () => true })), window_ms: 1 }),
    sessionize: () => sessionize('s', { ...on, gap_ms: 1 }),
    'rate-limit': () => rateLimit('r', { ...on, max_events: 1, per_ms: 1 }),
    dedup: () => dedup('d', { idOf: ({ key }) => key, timeOf: on.timeOf }),
    'a table by time': () => toTable('t', on),
  };

  for (const [what, operator] of Object.entries(refusing)) {
    it(`refuses ${what} behind results that are taken back, also through filters and merges`, () => {
      const through = (visited: Stream<Visit>, t: Builder): Stream<Visit> =>
        t.merge('all', visited.pipe(filter('some', () => true)));
      expect(build((visited) => visited.pipe(operator()))).toThrow('takes results back');
      expect(build((visited, t) => through(visited, t).pipe(operator()))).toThrow('takes results back');
    });
  }

  it('refuses a window over results that are given again, and says that the mode retract is for that', () => {
    const again = (mode: WindowMode) => () =>
      topology('t', (t) => visits(clicksOf(t), mode).pipe(window('days', { ...perDay, aggregate })));
    expect(again('accumulate')).toThrow('the mode "retract"');
    expect(again('retract')).not.toThrow();
  });

  it('refuses a window that could not see what is taken back, and a join', () => {
    const plain = {
      keyOf: () => '',
      timeOf: (n: number) => n,
      window: tumbling({ size_ms: 1 }),
      aggregate: count(),
    };
    const hidden = (visited: Stream<Visit>) => visited.pipe(map('value', ({ value }: Visit) => value));
    expect(build((visited) => hidden(visited).pipe(window('w', plain)))).toThrow('behind "value"');
    expect(
      build((visited) => hidden(visited).pipe(window('w', { ...plain, isRetraction: () => false }))),
    ).not.toThrow();
    const join = streamJoin<Visit, Visit, string>('j', { left: on, right: on, join: () => '' });
    expect(build((visited) => visited.connect(visited, join))).toThrow('takes results back');
  });

  it('takes tables, sinks and functions there, and anything where nothing is taken back', () => {
    const tables = build((visited) => {
      visited.pipe(toTable('last', { keyOf: ({ key }: Visit) => key }));
      visited.pipe(
        toWindowTable('by-window', { keyOf: on.keyOf, windowOf: (visit) => visit.window, retain_ms: 1 }),
      );
      visited.pipe(toJetStream('out', { subject: 'visits' }));
      visited.pipe(map('any', ({ value }) => value));
    });
    expect(tables).not.toThrow();
    const final = () =>
      topology('t', (t) =>
        clicksOf(t).pipe(
          window('visits', {
            keyOf: ({ user }) => user,
            timeOf: ({ time_ms }) => time_ms,
            window: session({ gap_ms: GAP_MS }),
            aggregate: count(),
          }),
          window('w', { ...on, window: session({ gap_ms: 1 }), aggregate: count() }),
        ),
      );
    expect(final).not.toThrow();
  });

  it('knows the side output of a funnel that holds what is taken back', () => {
    const funnels = () =>
      topology('t', (t) =>
        clicksOf(t)
          .pipe(
            funnel<Click>('f', {
              keyOf: ({ user }) => user,
              timeOf: ({ time_ms }) => time_ms,
              steps: ['a', 'b'].map((name) => ({ name, matches: () => true })),
              window_ms: 1,
            }),
          )
          .side('timeout')
          .pipe(dedup('d', { idOf: ({ key }: FunnelChange) => key, timeOf: () => 0 })),
      );
    expect(funnels).toThrow('"f" takes results back');
  });
});
