import type { RowTest } from '../entity-rows/index.ts';
import { normalType } from '../events/index.ts';
import { eventConditions, filterConditions, type LogTexts } from '../filters/index.ts';
import { CODE, MARK } from '../rows/index.ts';
import type { FunnelPlan, FunnelTest } from './funnel-plan.ts';

const ORDER = normalType('order.created');

/** The tests of rows, a bit each, in the order of the plan's; `new_event`, the last, is two of them. */
export function rowTests(plan: FunnelPlan, custom: readonly string[], dictionary: LogTexts): RowTest[] {
  return plan.tests.flatMap((test) => testsOf(test, custom, dictionary));
}

function testsOf(test: FunnelTest, custom: readonly string[], dictionary: LogTexts): RowTest[] {
  if (test === 'new_event') {
    // Of an order that is sent again the event at which it counts is one.
    return [
      [{ code: CODE.type, accepts: (code) => normalType(dictionary.textOf(code)) !== ORDER }],
      [{ code: CODE.marks, accepts: (marks) => (marks & MARK.orders) !== 0 }],
    ];
  }
  const also = filterConditions(test.also, custom, dictionary);
  return [[...eventConditions(test, custom, dictionary), ...also]];
}

/** How many bits the tests take. */
export function testBits({ tests }: FunnelPlan): number {
  return tests.length + (tests.at(-1) === 'new_event' ? 1 : 0);
}

/** The steps or exclusions that a row fills, by the tests that it passes: `of` is `stepsOf` or `exclusionsOf`. */
export function filledBy(of: readonly number[], bits: number): number {
  let filled = 0;
  for (let at = 0; at < of.length; at++) if (((bits >>> at) & 1) === 1) filled |= of[at] as number;
  return filled;
}
