import { describe, expect, it } from 'vitest';
import { TestDriver } from '../../engine/index.ts';
import { build, configOf, is, matches, rowsOf, type Tick, ticks } from './fixture-pattern.ts';
import { begin, type Pattern } from './pattern-builder.ts';
import type { Skip } from './pattern-skip.ts';

const a = begin('a', is('a'));

describe('quantifiers and limits of a pattern', () => {
  it('the events of a stage side by side, or any of those that fit', async () => {
    const bs = (of: (stage: Pattern<Tick, string>) => Pattern<Tick, string>): Pattern<Tick, string> =>
      of(a.followedBy('b', is('b')).oneOrMore()).followedBy('c', is('c'));
    const text = 'a@0 b@1 x@2 b@3 c@4';
    expect(
      await matches(
        text,
        bs((stage) => stage),
      ),
    ).toEqual(['a@0 b@1 b@3 c@4', 'a@0 b@1 c@4']);
    expect(
      await matches(
        text,
        bs((stage) => stage.consecutive()),
      ),
    ).toEqual(['a@0 b@1 c@4']);
    expect(
      await matches(
        'a@0 b@1 b@2 b@3 c@4',
        bs((stage) => stage.allowCombinations()),
      ),
    ).toEqual(['a@0 b@1 b@2 b@3 c@4', 'a@0 b@1 b@2 c@4', 'a@0 b@1 b@3 c@4', 'a@0 b@1 c@4']);
    expect(await matches('a@0 a@1 a@2', a.timesOrMore(2))).toEqual(['a@0 a@1', 'a@0 a@1 a@2', 'a@1 a@2']);
  });

  it('greedy: as many as there are, before the next stage', async () => {
    const bs = a.followedBy('b', is('b', 'bc')).times(1, 2);
    const text = 'a@0 b@1 bc@2 c@3';
    const thenC = (of: Pattern<Tick, string>): Pattern<Tick, string> => of.followedBy('c', is('c', 'bc'));
    expect(await matches(text, thenC(bs))).toEqual(['a@0 b@1 bc@2', 'a@0 b@1 bc@2 c@3']);
    expect(await matches(text, thenC(bs.greedy()))).toEqual(['a@0 b@1 bc@2 c@3']);
    const maybe = thenC(a.next('b', is('b')).oneOrMore().greedy().optional());
    expect(await matches('a@0 b@1 b@2 c@3 a@4 c@5', maybe)).toEqual(['a@0 b@1 b@2 c@3', 'a@4 c@5']);
  });

  it('until: the stage takes nothing from there on', async () => {
    const upTo = a.oneOrMore().until(is('c'));
    expect(await matches('a@1 c@2 a@3 b@4 a@5', upTo)).toEqual(['a@1', 'a@3', 'a@3 a@5', 'a@5']);
    const thenB = a.followedBy('x', is('x')).oneOrMore().until(is('c')).followedBy('b', is('b'));
    expect(await matches('a@0 x@1 c@2 x@3 b@4 a@5 c@6 x@7 b@8', thenB)).toEqual(['a@0 x@1 b@4']);
  });

  it('within the event before: of a stage, of each of its events, of a negation at the end', async () => {
    const soon = a.followedBy('b', is('b')).oneOrMore().withinPrevious(5).followedBy('c', is('c'));
    const text = 'a@0 b@5 b@10 b@16 c@90 a@100 b@106 c@107';
    expect(await matches(text, soon)).toEqual(['a@0 b@5 b@10 c@90', 'a@0 b@5 c@90']);
    expect(await matches(text, soon, {}, 'timeout')).toEqual(['a@100']);
    const unpaid = a.oneOrMore().notFollowedBy('b', is('b')).withinPrevious(10);
    expect(await matches('a@0 a@4 b@11 a@20 b@30', unpaid)).toEqual(['a@0']);
  });

  it('gives what the documentation of Flink CEP gives for its examples', async () => {
    const c = begin('c', is('c'));
    const middle = c.followedBy('a', is('a')).oneOrMore();
    const withEnd = (of: Pattern<Tick, string>) =>
      matches('c@0 d@1 a@2 a@3 a@4 d@5 a@6 b@7', of.followedBy('b', is('b')));
    const found = (...as: string[]): string[] => as.map((text) => `c@0 ${text} b@7`);
    const side = ['a@2 a@3 a@4', 'a@2 a@3', 'a@2'];
    expect(await withEnd(middle.consecutive())).toEqual(found(...side));
    expect(await withEnd(middle)).toEqual(found('a@2 a@3 a@4 a@6', ...side));
    expect((await withEnd(middle.allowCombinations())).sort()).toEqual(
      found('a@2 a@3 a@4 a@6', 'a@2 a@3 a@6', 'a@2 a@4 a@6', 'a@2 a@4', 'a@2 a@6', ...side).sort(),
    );
    expect(await withEnd(middle.greedy())).toEqual(found('a@2 a@3 a@4 a@6'));
    const bc = begin('b', is('b')).oneOrMore().consecutive().next('c', is('c'));
    const skipping = (skip: Skip) => matches('b@1 b@2 b@3 c@4', bc, { skip });
    const [all, two, one] = ['b@1 b@2 b@3 c@4', 'b@2 b@3 c@4', 'b@3 c@4'];
    expect(await skipping('noSkip')).toEqual([all, two, one]);
    expect(await skipping('skipToNext')).toEqual([all, two, one]);
    expect(await skipping('skipPastLast')).toEqual([all]);
    expect(await skipping({ toFirst: 'b' })).toEqual([all, two, one]);
    expect(await skipping({ toLast: 'b' })).toEqual([all, one]);
    const classes = begin('1', is('a', 'b', 'c')).next('2', is('b', 'c'));
    const greedy = classes.next('c', is('c')).oneOrMore().greedy().next('d', is('d'));
    const text = 'a@0 b@1 c@2 c@3 c@4 d@5';
    expect(await matches(text, greedy, { skip: { toFirst: 'c' } })).toEqual([text, 'c@2 c@3 c@4 d@5']);
    const ab = a.next('b', is('b')).oneOrMore();
    expect(await matches('a@0 b@1 b@2 b@3', ab)).toEqual(['a@0 b@1', 'a@0 b@1 b@2', 'a@0 b@1 b@2 b@3']);
    expect(await matches('a@0 b@1 b@2 b@3', ab, { skip: 'skipToNext' })).toEqual(['a@0 b@1']);
  });

  it('with a limit after the event before, nothing is left of what has passed it', async () => {
    const abc = a.followedBy('b', is('b')).withinPrevious(5).followedBy('c', is('c')).withinPrevious(7);
    const driver = await TestDriver.start(build(configOf(abc)));
    await driver.push(...ticks('a@0 b@4', 'k'), ...ticks('a@0', 'l'));
    const rowsAt = async (time_ms: number): Promise<number> => {
      await driver.advanceTo(time_ms);
      driver.commit();
      return rowsOf(driver);
    };
    expect(await rowsAt(5)).toBe(4);
    expect(await rowsAt(6)).toBe(2);
    expect(await rowsAt(11)).toBe(2);
    expect(await rowsAt(12)).toBe(0);
  });
});
