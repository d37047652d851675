import { describe, expect, it } from 'vitest';
import { SeededRandom, TestDriver } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import {
  anyPattern,
  anySkip,
  anyTicks,
  blind,
  bruteForce,
  build,
  configOf,
  is,
  matches,
  rowsOf,
  type Tick,
  ticks,
} from './fixture-pattern.ts';
import type { PatternConfig, PatternMatch } from './pattern.ts';
import { begin, type Pattern } from './pattern-builder.ts';
import type { Skip } from './pattern-skip.ts';

type Rest = Partial<PatternConfig<Tick, string>>;

const a = begin('a', is('a'));

describe('pattern', () => {
  it('next: directly after; followedBy: the first that fits; followedByAny: each that fits', async () => {
    expect(await matches('a@0 b@1 b@2', a.next('b', is('b')))).toEqual(['a@0 b@1']);
    expect(await matches('a@0 x@1 b@2', a.next('b', is('b')))).toEqual([]);
    expect(await matches('a@0 x@1 b@2 b@3', a.followedBy('b', is('b')))).toEqual(['a@0 b@2']);
    expect(await matches('a@0 x@1 b@2 b@3', a.followedByAny('b', is('b')))).toEqual(['a@0 b@2', 'a@0 b@3']);
  });

  it('negations: not directly after, not before the next, not until the end of the window', async () => {
    const notNext = a.notNext('x', is('x')).followedBy('b', is('b'));
    expect(await matches('a@0 x@1 b@2 a@3 c@4 x@5 b@6', notNext)).toEqual(['a@3 b@6']);
    const notBetween = a.notFollowedBy('x', is('x')).followedBy('b', is('b'));
    expect(await matches('a@0 x@1 b@2 a@3 b@4 x@5', notBetween)).toEqual(['a@3 b@4']);
    const unpaid = a.notFollowedBy('b', is('b')).within(10);
    expect(await matches('a@0 b@10 a@20 b@31', unpaid)).toEqual(['a@20']);
  });

  it('times, oneOrMore and optional: every count that is allowed', async () => {
    expect(await matches('a@0 a@1 a@2', a.times(2))).toEqual(['a@0 a@1', 'a@1 a@2']);
    expect(
      await matches('a@0 b@1 b@2 c@3', a.followedBy('b', is('b')).oneOrMore().followedBy('c', is('c'))),
    ).toEqual(['a@0 b@1 b@2 c@3', 'a@0 b@1 c@3']);
    expect(
      await matches('a@0 b@1 c@2', a.followedBy('b', is('b')).optional().followedBy('c', is('c'))),
    ).toEqual(['a@0 b@1 c@2', 'a@0 c@2']);
  });

  it('a condition looks at what was matched, its own stage included', async () => {
    // The example of Flink's documentation: at most five in total.
    const total = (events: readonly Tick[] = []): number =>
      events.reduce((sum, { id }) => sum + Number(id), 0);
    const few = a.followedBy(
      'b',
      (event: Tick, { b }) => event.type === 'b' && total(b) + Number(event.id) <= 5,
    );
    expect(await matches('a@0 b@1 b@2 b@3 b@4', few.oneOrMore().consecutive())).toEqual([
      'a@0 b@1',
      'a@0 b@1 b@2',
    ]);
  });

  it('a condition looks at the stage before', async () => {
    const rising = begin('low', is('a', 'b')).next(
      'high',
      ({ time_ms }: Tick, { low }) => time_ms >= 2 * (low[0]?.time_ms ?? 0),
    );
    expect(await matches('a@2 b@3 a@6', rising)).toEqual(['b@3 a@6']);
  });

  it('within includes its end; what ran out of time goes to the side', async () => {
    const ab = a.followedBy('b', is('b')).within(10);
    expect(await matches('a@0 b@10 a@20 b@31', ab)).toEqual(['a@0 b@10']);
    expect(await matches('a@0 b@10 a@20 b@31', ab, {}, 'timeout')).toEqual(['a@20']);
  });

  it('skips after a match', async () => {
    const aab = a.oneOrMore().followedBy('b', is('b'));
    const text = 'a@0 a@1 b@2 a@3 b@4';
    expect(await matches(text, aab)).toEqual([
      'a@0 a@1 b@2',
      'a@0 b@2',
      'a@1 b@2',
      'a@0 a@1 a@3 b@4',
      'a@1 a@3 b@4',
      'a@3 b@4',
    ]);
    expect(await matches(text, aab, { skip: 'skipToNext' })).toEqual(['a@0 a@1 b@2', 'a@1 b@2', 'a@3 b@4']);
    expect(await matches(text, aab, { skip: 'skipPastLast' })).toEqual(['a@0 a@1 b@2', 'a@3 b@4']);
    expect(await matches(text, aab, { skip: { toLast: 'a' } })).toEqual([
      'a@0 a@1 b@2',
      'a@1 b@2',
      'a@1 a@3 b@4',
      'a@3 b@4',
    ]);
    const bc = a.oneOrMore().followedBy('b', is('b')).followedBy('c', is('c'));
    const skipping = (skip: Skip) => matches('a@0 a@1 b@2 a@3 b@4 c@5', bc, { skip });
    expect(await skipping({ toFirst: 'b' })).toEqual(['a@0 a@1 b@2 c@5', 'a@3 b@4 c@5']);
    expect(await skipping({ toFirst: 'a' })).toHaveLength((await skipping('noSkip')).length);
  });

  it('evaluates what the watermark has passed; what it had passed before is late', async () => {
    const driver = await TestDriver.start(build(configOf(a.next('b', is('b')))));
    await driver.push(...ticks('b@2 a@1 a@5'));
    await driver.advanceTo(2);
    expect(driver.take()).toEqual([]);
    await driver.push(...ticks('x@1'));
    expect(driver.counter('millrace.pattern.late')).toBe(1);
    await driver.advanceTo(3);
    expect(driver.take()).toMatchObject([{ key: 'k', start_ms: 1, end_ms: 2 }]);
  });

  it('before 1970 as well, and without an end', async () => {
    const ab = a.followedBy('b', is('b')).within(20);
    const driver = await TestDriver.start(build(configOf(ab), 'timeout'));
    await driver.push(...ticks('a@-50 a@-20 b@-10'));
    await driver.advanceTo(-30);
    expect(driver.take()).toEqual([]);
    driver.commit();
    const again = await driver.restart();
    await again.advanceTo(-29);
    expect(again.take()).toMatchObject([{ start_ms: -50 }]);
    const endless = a.followedBy('b', is('b')).within(Number.MAX_SAFE_INTEGER);
    const open = await TestDriver.start(build(configOf(endless)));
    await open.push(...ticks('a@0'));
    await open.advanceTo(1);
    open.commit();
    await open.push(...ticks('b@7000000000000'));
    await open.advanceTo(8_000_000_000_000);
    expect(open.out).toMatchObject([{ start_ms: 0, end_ms: 7_000_000_000_000 }]);
  });

  it('refuses the state of another pattern', async () => {
    const bs = a.followedBy('b', is('b')).oneOrMore().within(9);
    const driver = await TestDriver.start(build(configOf(bs)));
    await driver.push(...ticks('a@0'));
    const snapshot = driver.snapshot();
    const others: [Pattern<Tick, string>, Rest][] = [
      [bs.consecutive(), {}],
      [bs.allowCombinations(), {}],
      [bs.greedy(), {}],
      [bs.until(is('c')), {}],
      [bs.withinPrevious(9), {}],
      [bs, { skip: { toFirst: 'b' } }],
      [bs, { skip: { toLast: 'b' } }],
    ];
    for (const [other, rest] of others) {
      await expect(TestDriver.start(build(configOf(other, rest)), { snapshot })).rejects.toMatchObject({
        code: 'topology_changed',
      });
    }
  });

  it('late events and those beyond the limit can be read', async () => {
    const late = await TestDriver.start(build(configOf(a), 'late'));
    await late.advanceTo(5);
    await late.push(...ticks('a@4 a@5'));
    expect(late.out).toEqual(ticks('a@4'));
    const full = await TestDriver.start(build(configOf(a, { max_buffered_events: 2 }), 'overflow'));
    await full.push(...ticks('a@1 a@2 a@3'));
    expect(full.out).toMatchObject([{ time_ms: 3 }]);
    expect(full.counter('millrace.pattern.overflowed')).toBe(1);
  });

  it('refuses patterns that make no sense', async () => {
    const endless = a.notFollowedBy('b', is('b'));
    await expect(TestDriver.start(build(configOf(endless)))).rejects.toThrow('within');
    expect(() => a.next('a', is('b'))).toThrow('named');
    expect(() => a.times(0)).toThrow('times');
    expect(() => a.notNext('b', is('b')).optional()).toThrow('quantifier');
    expect(() => a.greedy()).toThrow('greedy');
    expect(() => a.oneOrMore().allowCombinations().greedy()).toThrow('contradict');
    expect(() => a.times(2).until(is('b'))).toThrow('until');
    expect(() => a.withinPrevious(0.5)).toThrow('withinPrevious');
    const refused = (of: Pattern<Tick, string>, rest: Rest = {}) =>
      TestDriver.start(build(configOf(of, rest)));
    await expect(refused(a.withinPrevious(5))).rejects.toThrow('nothing comes before');
    const between = a.notFollowedBy('x', is('x')).withinPrevious(5).followedBy('b', is('b'));
    await expect(refused(between)).rejects.toThrow('at the end');
    const both = a.notFollowedBy('b', is('b')).withinPrevious(5).notFollowedBy('c', is('c'));
    await expect(refused(both)).rejects.toThrow('"c" at the end');
    await expect(refused(a, { skip: { toFirst: 'b' } })).rejects.toThrow('skip names "b"');
  });

  it('matches and time-outs are those of every pick tried, for any order, batches, commits and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyPattern,
        anySkip,
        anyTicks(9, ['k', 'k', 'l']),
        fc.boolean(),
        fc.integer(),
        async (any, given, events, isBlind, seed) => {
          const searched = isBlind ? blind(any) : any;
          const skip = skippable(searched, given);
          const random = new SeededRandom(seed);
          const end_ms = random.int(0, 16);
          const config = configOf(searched, { skip, cacheRows: 2, max_partial_matches: 100_000 });
          const side = random.chance(0.5) ? ('timeout' as const) : undefined;
          const out = await runAnyHow(config, side, events, end_ms, random);
          const expected = ['k', 'l'].flatMap((key) => {
            const mine = events.filter((event) => event.key === key);
            const { matches: found, timeouts } = bruteForce(mine, searched, skip, end_ms);
            return side === 'timeout' ? timeouts : found;
          });
          expected.sort((x, y) => x.at_ms - y.at_ms);
          expect(out).toEqual(expected.map(({ match }) => match));
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('keys that expire leave nothing', async () => {
    const searched = a.followedBy('b', is('b')).notFollowedBy('c', is('c')).within(1_000);
    const driver = await TestDriver.start(build(configOf(searched, { cacheRows: 1_000 })));
    const perStep = 2_000;
    for (let step = 0; step < 40 * sizes.passing_keys_factor; step++) {
      const time_ms = step * 1_000;
      await driver.push(
        ...Array.from({ length: perStep }, (_, index) => {
          const key = `${step}-${index}`;
          return { key, type: 'abx'[index % 3] as string, time_ms, id: key };
        }),
      );
      await driver.advanceTo(time_ms);
      driver.out.length = 0;
      driver.commit();
      expect(rowsOf(driver)).toBeLessThan(perStep * 6);
    }
    await driver.advanceTo(1_000_000);
    driver.commit();
    expect(rowsOf(driver)).toBe(0);
  });
});

/** To a stage that picks events. */
function skippable({ stages }: Pattern<Tick, string>, skip: Skip): Skip {
  if (typeof skip === 'string') return skip;
  const name = 'toFirst' in skip ? skip.toFirst : skip.toLast;
  return stages.some((stage) => stage.name === name && !stage.kind.startsWith('not')) ? skip : 'noSkip';
}

/** Runs events in any order and cut that the watermark allows, with commits and lost work on the way. */
async function runAnyHow(
  config: PatternConfig<Tick, string>,
  side: 'timeout' | undefined,
  events: readonly Tick[],
  end_ms: number,
  random: SeededRandom,
): Promise<PatternMatch<Tick, string>[]> {
  let driver = await TestDriver.start(build(config, side));
  const committed: (PatternMatch<Tick, string> | Tick)[] = [];
  let uncommitted: (() => Promise<void>)[] = [];
  const act = async (action: () => Promise<void>): Promise<void> => {
    uncommitted.push(action);
    await action();
  };
  let watermark_ms = 0;
  const left = events.toSorted((x, y) => x.time_ms - y.time_ms);
  while (left.length > 0) {
    const pushed = Array.from({ length: random.int(1, Math.min(4, left.length)) }, () =>
      left.splice(random.int(0, left.length - 1), 1),
    ).flat();
    await act(() => driver.push(...pushed));
    const [oldest] = left;
    if (oldest !== undefined && random.chance(0.5)) {
      watermark_ms = Math.min(end_ms, Math.max(watermark_ms, oldest.time_ms));
      const time_ms = watermark_ms;
      await act(() => driver.advanceTo(time_ms));
    }
    if (random.chance(0.5)) {
      driver.commit();
      committed.push(...driver.take());
      uncommitted = [];
    }
    if (random.chance(0.5)) {
      driver = await driver.restart();
      for (const action of uncommitted) await action();
    }
  }
  await driver.advanceTo(end_ms);
  expect(driver.counter('millrace.pattern.late')).toBe(0);
  return [...committed, ...driver.take()] as PatternMatch<Tick, string>[];
}
