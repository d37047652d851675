import { describe, expect, it } from 'vitest';
import { TestDriver } from '../../engine/index.ts';
import { build, configOf, is, matches, type Tick, ticks } from './fixture-pattern.ts';
import type { PatternMatch } from './pattern.ts';
import { begin } from './pattern-builder.ts';

const a = begin('a', is('a'));

describe('what a pattern keeps of many partial matches', () => {
  it('gives up the oldest partial matches of a key that has too many, and counts them', async () => {
    const config = configOf(a.followedBy('b', is('b')), { max_partial_matches: 2 });
    const driver = await TestDriver.start(build(config));
    await driver.push(...ticks('a@1 a@2 a@3 b@4'));
    await driver.advanceTo(5);
    expect(driver.out).toMatchObject([{ start_ms: 2 }, { start_ms: 3 }]);
    expect(driver.counter('millrace.pattern.given_up')).toBe(1);
  });

  it('with skipPastLast keeps those that began first: the run is whole, also where it is long', async () => {
    const run = a.oneOrMore().followedBy('ok', is('b'));
    const looking = begin<Tick, 'a'>('a', ({ type }, { a: before }) => type === 'a' && before.length < 1e6)
      .oneOrMore()
      .followedBy('ok', is('b'));
    for (const [searched, of, givenUp] of [
      [run, 60, 0],
      [looking, 60, 1],
      [run.within(5_000), 60, 0],
      [run, 3_000, 0],
      [run.within(5_000), 1_500, 1],
    ] as const) {
      const driver = await TestDriver.start(build(configOf(searched, { skip: 'skipPastLast' })));
      await driver.push(...ticks([...Array(of).keys()].map((at) => `a@${at}`).join(' ')));
      await driver.advanceTo(of - 1);
      driver.commit();
      const again = await driver.restart();
      await again.push(...ticks(`b@${of}`));
      await again.advanceTo(of + 1);
      const [match] = again.out as PatternMatch<Tick, string>[];
      expect([again.out.length, match?.events.a?.length, match?.start_ms]).toEqual([1, of, 0]);
      expect(Math.min(1, driver.counter('millrace.pattern.given_up'))).toBe(givenUp);
    }
  });

  it('asks a condition that looks at nothing once for each event, however many matches are open', async () => {
    let asked = 0;
    const counting = (type: string) => (tick: Tick) => {
      asked++;
      return tick.type === type;
    };
    const run = begin('a', counting('a')).oneOrMore().greedy().followedBy('b', counting('b'));
    const driver = await TestDriver.start(build(configOf(run)));
    await driver.push(...ticks([...Array(800).keys()].map((at) => `a@${at}`).join(' ')), ...ticks('b@800'));
    await driver.advanceTo(1_000);
    expect(driver.out).toHaveLength(800);
    expect(asked).toBeLessThanOrEqual(2 * 801);
  });

  it('says whose partial matches were given up', async () => {
    const config = configOf(a.followedBy('b', is('b')), { max_partial_matches: 2 });
    const driver = await TestDriver.start(build(config));
    await driver.push(...ticks('a@1 a@2 a@3 a@4'));
    await driver.advanceTo(5);
    driver.commit();
    expect(driver.counter('millrace.pattern.given_up')).toBe(2);
    // Once for each look at a key, not for each match.
    expect(driver.progress?.notices).toMatchObject({ default: { pattern_given_up: 1 } });
  });

  it('with skipToNext keeps the first of each beginning', async () => {
    const searched = begin<Tick, 'a'>('a', ({ type }, _) => type === 'a')
      .oneOrMore()
      .followedBy('b', is('b'));
    const text = 'a@1 a@2 a@3 a@4 b@5';
    const few = { skip: 'skipToNext', max_partial_matches: 4 } as const;
    expect(await matches(text, searched, few)).toEqual(await matches(text, searched, { skip: 'skipToNext' }));
  });

  it('refuses a condition that looks at what was matched where it does not say so', async () => {
    const hidden = ((...[{ type }, matched]: [Tick, Record<string, readonly Tick[]>]) =>
      type === 'a' && matched.a?.length === 0) as (tick: Tick) => boolean;
    const driver = await TestDriver.start(build(configOf(begin('a', hidden))));
    await driver.push(...ticks('a@1'));
    await expect(driver.advanceTo(2)).rejects.toMatchObject({ code: 'bad_pattern' });
  });
});
