import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import {
  anyClicks,
  anyDefinition,
  bruteForce,
  type Click,
  clicks,
  definitionOf,
  excluding,
} from './fixture-funnel.ts';
import {
  compareFunnelEvents,
  compileFunnel,
  type FunnelDefinition,
  type FunnelEvent,
} from './funnel-definition.ts';
import { evaluateFunnel, type FunnelResult } from './funnel-evaluate.ts';

function evaluate(
  events: readonly Click[],
  definition: FunnelDefinition<Click>,
  watermark_ms = 1_000,
): FunnelResult | undefined {
  const { rules, read } = compileFunnel(definition);
  const seen = events.map(read).filter((event) => event !== undefined);
  return evaluateFunnel(seen.sort(compareFunnelEvents), rules, watermark_ms);
}

/** The times of the steps reached. */
const times = (text: string, definition: FunnelDefinition<Click>): readonly number[] | undefined =>
  evaluate(clicks(text), definition)?.times_ms;

const abc = (window_ms: number, rest: Partial<FunnelDefinition<Click>> = {}): FunnelDefinition<Click> =>
  definitionOf(['a', 'b', 'c'], window_ms, rest);

describe('evaluateFunnel', () => {
  it('steps in order; other events between are fine; the window includes its end', () => {
    expect(evaluate(clicks('a@0 x@1 b@2 c@10'), abc(10))).toMatchObject({ status: 'converted', furthest: 3 });
    expect(evaluate(clicks('a@0 b@2 c@11'), abc(10))).toMatchObject({ status: 'dropped', furthest: 2 });
    expect(times('b@0 a@1 c@2', abc(10))).toEqual([1]);
    expect(evaluate(clicks('b@0 c@1'), abc(10))).toBeUndefined();
  });

  it('is in progress while entry + window is after the watermark', () => {
    const at = (watermark_ms: number) => evaluate(clicks('a@5 b@6'), abc(10), watermark_ms)?.status;
    expect([at(14), at(15), at(16)]).toEqual(['in_progress', 'dropped', 'dropped']);
  });

  it('the same type in two steps needs two events', () => {
    const twice = definitionOf(['a', 'a'], 10);
    expect(times('a@0', twice)).toEqual([0]);
    expect(times('a@0 a@1', twice)).toEqual([0, 1]);
    expect(times('a@0 a@0', twice)).toEqual([0, 0]);
    expect(times('a@0 a@0', { ...twice, ties: 'strict_increase' })).toEqual([0]);
  });

  it('tied events stand in the order that reaches furthest, or fill one step', () => {
    expect(times('c@1 b@1 a@1', abc(10))).toEqual([1, 1, 1]);
    expect(times('c@1 b@1 a@1', abc(10, { ties: 'strict_increase' }))).toEqual([1]);
    expect(times('a@0 b@1 c@1 c@2', abc(10, { ties: 'strict_increase' }))).toEqual([0, 1, 2]);
    // One event fits both steps, the other only the first of them.
    expect(times('a@0 b@1 z@1', definitionOf(['a', 'bz', 'b'], 10))).toEqual([0, 1, 1]);
  });

  it('latest: a newer entry counts unless an older one reaches further; first: only the first', () => {
    expect(times('a@0 a@5 b@12 c@13', abc(10))).toEqual([5, 12, 13]);
    expect(times('a@0 a@5 b@6 c@7', abc(10))).toEqual([5, 6, 7]);
    expect(times('a@0 b@1 a@5', abc(10))).toEqual([0, 1]);
    expect(times('a@0 a@5 b@12 c@13', abc(10, { entry: 'first' }))).toEqual([0]);
    expect(times('a@0 a@5 b@6 c@7', abc(10, { entry: 'first' }))).toEqual([0, 6, 7]);
  });

  it('strict: any other event of the entity between breaks the attempt', () => {
    const strict = abc(10, { order: 'strict' });
    expect(times('a@0 b@1 c@2', strict)).toEqual([0, 1, 2]);
    expect(times('a@0 x@1 b@2 c@3', strict)).toEqual([0]);
    expect(times('a@0 a@1 b@2 c@3', strict)).toEqual([1, 2, 3]);
    // Tied with a step, x stands before the entry or after the last step, never between.
    expect(times('x@0 a@0 b@1 c@2 x@2', strict)).toEqual([0, 1, 2]);
    expect(times('a@0 b@1 x@1 c@2', strict)).toEqual([0, 1]);
    // b@0 may have come before a@0.
    expect(times('a@0 b@0 b@1 c@2', strict)).toEqual([0, 1, 2]);
  });

  it('any: steps in any order, the window from the first of them', () => {
    const any = abc(10, { order: 'any' });
    expect(times('c@0 a@1 b@2', any)).toEqual([0, 1, 2]);
    expect(times('c@0 c@1 b@10', any)).toEqual([1, 10]);
    expect(times('c@0 b@6 a@11', any)).toEqual([6, 11]);
    expect(times('a@0 a@1', definitionOf(['ab', 'a'], 10, { order: 'any' }))).toEqual([0, 1]);
    expect(times('a@3 b@3', { ...any, ties: 'strict_increase' })).toEqual([3]);
  });

  it('exclusions drop the attempt or the entity', () => {
    const without = (effect: 'drop_attempt' | 'drop_user') =>
      abc(10, { exclusions: [excluding('x', 1, 2, effect)] });
    expect(times('a@0 x@1 b@2 c@3', without('drop_attempt'))).toBeUndefined();
    expect(times('a@0 x@1 a@2 b@3', without('drop_attempt'))).toEqual([2, 3]);
    expect(times('a@0 x@1 a@2 b@3', without('drop_user'))).toBeUndefined();
    expect(times('x@0 a@0 b@2 x@2 c@3 x@4', without('drop_user'))).toEqual([0, 2, 3]);
    // Step 2 not reached: until the end of the window.
    expect(times('a@0 x@10', without('drop_attempt'))).toBeUndefined();
    expect(times('a@0 x@11', without('drop_attempt'))).toEqual([0]);
  });

  it('held properties are equal on all steps', () => {
    const held = abc(10, { holdConstant: [({ item }) => item] });
    expect(times('a@0:p b@1:q c@2:q', held)).toEqual([0]);
    expect(times('a@0:p a@1:q b@2:p c@3:p b@4:q', held)).toEqual([0, 2, 3]);
  });

  it('the range is of the entry; a conversion may follow it', () => {
    const range = { start_ms: 5, end_ms: 10 };
    expect(times('a@4 b@6 c@7', abc(10, { range }))).toBeUndefined();
    expect(times('a@9 b@12 c@19', abc(10, { range }))).toEqual([9, 12, 19]);
    expect(times('a@5 a@10 b@12', abc(10, { range }))).toEqual([5, 12]);
  });

  it('the group is the value at the step that is named', () => {
    const by = (attribution: 'first_step' | 'last_step' | number) =>
      abc(10, { groupBy: { value: ({ item }) => item, attribution } });
    const group = (attribution: 'first_step' | 'last_step' | number) =>
      evaluate(clicks('a@0:p b@1:q'), by(attribution))?.group;
    expect([group('first_step'), group('last_step'), group(2), group(3)]).toEqual(['p', 'q', 'q', undefined]);
  });

  it('refuses definitions that make no sense', () => {
    const refusal = (definition: FunnelDefinition<Click>) => () => compileFunnel(definition);
    expect(refusal(definitionOf(['a'], 1))).toThrow('steps');
    expect(refusal(abc(-1))).toThrow('window_ms');
    expect(refusal(abc(1, { exclusions: [excluding('x', 2, 2, 'drop_user')] }))).toThrow('exclusions');
    expect(refusal(abc(1, { range: { start_ms: 2, end_ms: 2 } }))).toThrow('range');
    expect(refusal(abc(1, { groupBy: { value: ({ id }) => id, attribution: 4 } }))).toThrow('attribution');
  });

  it('agrees with trying every attempt', () => {
    fc.assert(
      fc.property(
        anyDefinition,
        anyClicks(7),
        fc.integer({ min: 0, max: 16 }),
        (definition, events, watermark_ms) => {
          expect(evaluate(events, definition, watermark_ms)).toEqual(
            bruteForce(events, definition, watermark_ms),
          );
        },
      ),
      { numRuns: 4_000 },
    );
  });

  it('a larger window never lowers how far anybody came, nor a count of those who came to a step', () => {
    // An exclusion may hit what a larger window takes in.
    const plain = anyDefinition.map((definition) => ({ ...definition, exclusions: [] }));
    const counts = (furthest: readonly number[]): number[] =>
      [1, 2, 3, 4].map((step) => furthest.filter((reached) => reached >= step).length);
    fc.assert(
      fc.property(plain, anyClicks(24, ['k', 'l', 'm']), fc.nat(5), (definition, events, more_ms) => {
        const furthestIn = (window_ms: number): number[] =>
          ['k', 'l', 'm'].map((key) => {
            const mine = events.filter((event) => event.key === key);
            return evaluate(mine, { ...definition, window_ms })?.furthest ?? 0;
          });
        const [small, large] = [definition.window_ms, definition.window_ms + more_ms].map(furthestIn);
        for (const [index, furthest] of (small ?? []).entries()) {
          expect(large?.[index]).toBeGreaterThanOrEqual(furthest);
        }
        for (const [step, count] of counts(small ?? []).entries()) {
          expect(counts(large ?? [])[step]).toBeGreaterThanOrEqual(count);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('unrelated events never change an ordered funnel', () => {
    fc.assert(
      fc.property(anyDefinition, anyClicks(12), anyClicks(12), (given, events, noise) => {
        const definition = { ...given, order: 'ordered' as const };
        const unrelated = noise.map((event) => ({ ...event, type: 'unrelated', id: `n${event.id}` }));
        expect(evaluate([...events, ...unrelated], definition)).toEqual(evaluate(events, definition));
      }),
      { numRuns: 2_000 },
    );
  });

  it('a hundred thousand entries in one window: the work does not grow with their square', () => {
    let looks = 0;
    const events = Array.from({ length: 100_000 }, (_, index) => ({
      key: 'bot',
      type: 'a',
      time_ms: index,
      id: String(index).padStart(6, '0'),
      item: '',
    }));
    const { rules, read } = compileFunnel(abc(1_000_000));
    const sorted = events.flatMap((event) => {
      const step = read(event);
      return step === undefined ? [] : [observed(step, () => looks++)];
    });
    looks = 0;
    expect(evaluateFunnel(sorted, rules, 0)).toMatchObject({ furthest: 1, times_ms: [99_999] });
    expect(looks).toBeLessThan(100_000 * 50);
  });
});

/** The event, telling of each look at its time. */
function observed(event: FunnelEvent, look: () => void): FunnelEvent {
  const { time_ms, ...rest } = event;
  return Object.defineProperty({ ...rest, time_ms }, 'time_ms', {
    get: () => {
      look();
      return time_ms;
    },
  });
}
