import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import {
  folded,
  idOf,
  type Observed,
  type ObservedConfig,
  type ObservedResult,
  type Reading,
  rowsLeft,
  runShuffled,
  windowsByDefinition,
} from './fixture-window.ts';
import { earlyEvery, earlyEveryEvents, onWatermark } from './trigger.ts';
import { countWindow, cumulate, hopping, session, sliding, tumbling, type WindowSpec } from './windows.ts';

const reading = fc.record({
  key: fc.constantFrom('a', 'b', ''),
  time_ms: fc.integer({ min: -30, max: 60 }),
  value: fc.integer({ min: -5, max: 5 }),
});
const readings = fc
  .array(reading, { maxLength: 30 })
  .map((items) => items.map((item, id) => ({ id, ...item })));
const small = fc.integer({ min: 1, max: 12 });
const offset = fc.integer({ min: -7, max: 7 });

const kinds: Readonly<Record<WindowSpec['kind'], fc.Arbitrary<WindowSpec> | undefined>> = {
  tumbling: fc.record({ size_ms: small, offset_ms: offset }).map(tumbling),
  hopping: fc
    .record({ size_ms: small, hop_ms: small, offset_ms: offset })
    .map(({ size_ms, hop_ms, offset_ms }) =>
      hopping({ size_ms: Math.max(size_ms, hop_ms), hop_ms: Math.min(size_ms, hop_ms), offset_ms }),
    ),
  cumulate: fc
    .record({ step_ms: small, steps: fc.integer({ min: 1, max: 4 }), offset_ms: offset })
    .map(({ step_ms, steps, offset_ms }) => cumulate({ step_ms, size_ms: step_ms * steps, offset_ms })),
  session: fc.record({ gap_ms: small }).map(session),
  sliding: fc.record({ before_ms: small, after_ms: fc.integer({ min: 0, max: 8 }) }).map(sliding),
  count: fc.record({ count: fc.integer({ min: 1, max: 4 }), idle_ms: small }).map(countWindow),
  global: undefined,
};
const triggers = fc.oneof(
  fc.constant(onWatermark()),
  fc.integer({ min: 1, max: 3 }).map(earlyEveryEvents),
  fc.integer({ min: 1, max: 5 }).map(earlyEvery),
);
const END_MS = 1_000;

const sorted = (entries: Iterable<readonly [string, Observed]>): string[] =>
  Array.from(entries, (entry) => JSON.stringify(entry)).sort();

/** What was given of sessions before they grew or merged is still there, and adds up with the rest. */
function expectDiscarded(results: readonly ObservedResult[], items: readonly Reading[]): void {
  const given = folded('discard', results);
  const all = [...given.values()].flatMap(({ ids }) => ids).sort((a, b) => a - b);
  expect(all).toEqual(items.map(({ id }) => id));
}

/** Early ones, one on time, late ones, numbered; a retraction is the result before it, but for its kind. */
function expectPanes(results: readonly ObservedResult[]): void {
  const order = ['early', 'onTime', 'late'];
  const before = new Map<string, ObservedResult>();
  for (const result of results) {
    const previous = before.get(idOf(result));
    if (result.kind === 'retract') {
      expect({ ...result, kind: 'insert' }).toEqual(previous);
      continue;
    }
    expect(result.pane.index).toBe(previous === undefined ? 0 : previous.pane.index + 1);
    const rank = order.indexOf(result.pane.kind);
    const least = previous === undefined ? 0 : order.indexOf(previous.pane.kind);
    expect(rank === 1 ? least === 0 : rank >= least).toBe(true);
    before.set(idOf(result), result);
  }
}

describe('windows contain what their definition says, for any order, batches, commits, crashes and moves', () => {
  for (const [kind, specs] of Object.entries(kinds)) {
    if (specs === undefined) continue;
    for (const mode of ['accumulate', 'discard', 'retract'] as const) {
      it(`${kind}, ${mode}`, async () => {
        const hasEarly = kind !== 'sliding' && kind !== 'count';
        await fc.assert(
          fc.asyncProperty(
            specs,
            hasEarly ? triggers : fc.constant(onWatermark()),
            fc.constantFrom(0, 5, 40),
            readings,
            fc.integer(),
            async (spec, trigger, allowedLateness_ms, items, seed) => {
              const config: ObservedConfig = {
                window: spec,
                trigger,
                allowedLateness_ms,
                mode,
                max_cached_rows: 4,
              };
              const { results, driver } = await runShuffled(config, items, { seed, end_ms: END_MS });
              const expected = windowsByDefinition(spec, items);
              if (kind === 'count') {
                // A key's windows may have equal times, so each result is compared, not the last of a name.
                const given = results.map((result): [string, Observed] => [idOf(result), result.value]);
                expect(sorted(given)).toEqual(sorted(expected));
              } else if (kind === 'session' && mode === 'discard') expectDiscarded(results, items);
              else expect(sorted(folded(mode, results))).toEqual(sorted(expected));
              if (kind !== 'session' && kind !== 'count') expectPanes(results);
              if (kind !== 'session' && mode === 'accumulate') {
                expect(results.every((result) => result.kind === undefined)).toBe(true);
              }
              expect(driver.counter('millrace.window.late')).toBe(0);
              expect(rowsLeft(driver)).toEqual(['definition', 'watermark']);
            },
          ),
          { numRuns: 80 },
        );
      });
    }
  }
});
