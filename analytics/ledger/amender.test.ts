import { describe, expect, it } from 'vitest';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import { type TestEvent, testEvent } from './fixture-events.ts';
import { modelRows } from './fixture-model.ts';
import { events, Run } from './fixture-run.ts';

const rank = ({ version = 1, time_ms, payload = 0 }: TestEvent) => [version, time_ms, payload] as const;

function isNewer(a: TestEvent, b: TestEvent): boolean {
  const [left, right] = [rank(a), rank(b)];
  const at = left.findIndex((value, index) => value !== right[index]);
  return at >= 0 && (left[at] as number) > (right[at] as number);
}

/** The rule of corrections over a whole set, in its plainest form: what a stream without the wrong events would have. */
function corrected(list: readonly TestEvent[]): readonly TestEvent[] {
  const currentOf = (id: string): TestEvent | undefined => {
    const original = list.find((event) => event.id === id && event.amends !== 'supersedes');
    let best: TestEvent | undefined;
    for (const event of list) {
      const supersedes = event.amends === 'supersedes' && event.id === id;
      const retracts = Array.isArray(event.amends) && event.amends.includes(id);
      if (!supersedes && !retracts) continue;
      if (best !== undefined && !isNewer(event, best)) continue;
      if (retracts) {
        if (original?.amends !== undefined && !isNewer(event, original)) continue;
        if (currentOf(event.id) !== event) continue;
      }
      best = event;
    }
    if (best === undefined) return original;
    return best.amends === 'supersedes' ? best : undefined;
  };
  return [...new Set(list.map(({ id }) => id))].flatMap((id) => currentOf(id) ?? []);
}

/** Events, of which some are corrected, some of the corrections too; in any order. */
const correctedEvents = (max: number): fc.Arbitrary<TestEvent[]> =>
  fc
    .record({
      list: events(max),
      contents: events(max),
      dice: fc.array(fc.tuple(fc.nat(99), fc.nat(99), fc.nat(2)), { maxLength: max }),
    })
    .map(({ list, contents, dice }) => {
      const all: TestEvent[] = list.map((event, index) => ({ ...event, payload: index }));
      for (const [index, [kind, pick, version]] of dice.entries()) {
        const target = all[pick % Math.max(1, all.length)];
        const content = contents[index % Math.max(1, contents.length)];
        if (target === undefined || content === undefined) continue;
        const payload = 1_000 + index;
        if (kind < 55 && target.type !== 'event.retracted')
          all.push({ ...content, id: target.id, amends: 'supersedes', version, payload });
        else {
          const other = all[(pick * 7) % all.length];
          const amends = [
            ...new Set([target.id, ...(kind % 3 === 0 && other !== undefined ? [other.id] : [])]),
          ];
          const time_ms = content.time_ms + 5;
          all.push(
            testEvent({ id: `r${index}`, type: 'event.retracted', time_ms, amends, version, payload }),
          );
        }
      }
      return all;
    })
    .chain((all) => fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }));

describe('corrections of events', () => {
  it('come to what a stream without the wrong events comes to, in any order, with commits and restarts', () => {
    fc.assertRuns(
      fc.property(
        correctedEvents(30),
        fc.array(fc.integer({ min: 1, max: 6 })),
        fc.infiniteStream(fc.nat(9)),
        (list, cuts, dice) => {
          const run = new Run();
          let at = 0;
          for (let turn = 0; at < list.length; turn++) {
            const size = cuts[turn % Math.max(1, cuts.length)] ?? 3;
            run.push(list.slice(at, at + size), at + 1);
            at += size;
            if ((dice.next().value as number) < 5) {
              run.commit();
              if ((dice.next().value as number) < 3) run.restart();
            }
          }
          expect(run.rows).toEqual(modelRows(corrected(list)).sort());
        },
      ),
      { numRuns: sizes.ledger_runs },
    );
  });

  it('know at every sequence what was known there', () => {
    fc.assertRuns(
      fc.property(correctedEvents(12), (list) => {
        const run = new Run();
        for (const [index, event] of list.entries()) {
          run.push([event], index + 1);
          expect(run.rows).toEqual(modelRows(corrected(list.slice(0, index + 1))).sort());
        }
      }),
      { numRuns: sizes.ledger_prefix_runs },
    );
  });
});
