import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { runCrashedAnywhere, runFromEverySnapshot } from './fixture-any-way.ts';
import { anyWay, outcomeOf, planOf, straight, trialsOf } from './fixture-properties.ts';
import { JOIN_CASES } from './fixture-properties-joins.ts';
import { OTHER_CASES } from './fixture-properties-others.ts';
import { WINDOW_CASES } from './fixture-properties-windows.ts';
import * as operators from './index.ts';

const CASES = [...WINDOW_CASES, ...JOIN_CASES, ...OTHER_CASES];
/** Not among the cases, for a reason. */
const EXCUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['branch', 'decode', 'filter', 'flat-map', 'json', 'lift', 'lookup', 'map', 'sample'].map((kind) => [
      kind,
      'has no state: an item at a time',
    ]),
  ),
  watermark: 'makes the time that the others are tested with; see watermark.test.ts and the simulation',
  cubes: 'reads the facts of the order analytics, in whose simulation it is; see cubes.test.ts',
  'to-callback': 'is to-jetstream with a subject of its own',
};

describe.each(CASES)('$name', (of) => {
  it('is the same for any order, batches, watermarks, commits, crashes and moves', async () => {
    for (const trial of trialsOf(of, 4, 24)) {
      expect(await anyWay(trial), `seed ${trial.seed}, until ${trial.end_ms}`).toEqual(await straight(trial));
    }
  });

  it('goes on from a snapshot after any step, as often as one likes, as if nothing had been', async () => {
    for (const trial of trialsOf(of, 1, 14)) {
      const wanted = await straight(trial);
      for await (const run of runFromEverySnapshot(of.build, planOf(trial))) {
        expect(outcomeOf(of, run), `until ${trial.end_ms}`).toEqual(wanted);
      }
    }
  });

  it('goes on after a crash at any step as if nothing had been', async () => {
    for (const trial of trialsOf(of, 1, 14)) {
      const wanted = await straight(trial);
      for await (const run of runCrashedAnywhere(of.build, planOf(trial), new SeededRandom(trial.seed))) {
        expect(outcomeOf(of, run), `until ${trial.end_ms}`).toEqual(wanted);
      }
    }
  });
});

it('every kind of operator is among them, or has an excuse', () => {
  const kinds = Object.entries(operators)
    .filter(([name]) => name.endsWith('Doc'))
    .map(([, doc]) => (doc as { readonly kind: string }).kind);
  const covered = new Set([...CASES.flatMap((of) => of.kinds), ...Object.keys(EXCUSED)]);
  expect(kinds.filter((kind) => !covered.has(kind))).toEqual([]);
});
