import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter, trustedJsonCodec } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import type { Tick } from './fixture-pattern.ts';
import { compareUndecided, type PartialMatch, type Pick, picksOf } from './pattern-partial.ts';
import { type PatternRow, patternRowCodec, readFormerPatternRow } from './pattern-row.ts';

describe('the row of a key', () => {
  it('a row is read as it was written, with beginnings that are shared and those of the first version', () => {
    const number = fc.oneof(fc.nat(3), fc.nat());
    const event = fc.record({ key: fc.string(), type: fc.string(), time_ms: fc.integer(), id: fc.string() });
    // Each node is an event picked after one of those before it, or after none.
    const nodes = fc.array(fc.tuple(event, fc.nat(29), fc.nat()), { minLength: 1, maxLength: 5 });
    const state = fc.record({
      of: fc.nat(),
      cut: fc.nat(3),
      start_ms: fc.integer(),
      count: number,
      dead: fc.nat(2 ** 31 - 1),
      isFresh: fc.boolean(),
      isComplete: fc.boolean(),
      isExtended: fc.boolean(),
    });
    const buffered = fc.array(fc.record({ time_ms: fc.integer(), id: fc.string(), event }), { maxLength: 3 });
    const codec = patternRowCodec<Tick>(trustedJsonCodec());
    const seen = ({ buffer, picked, partials, next, wake_ms }: PatternRow<Tick>) => ({
      ...{ buffer, next, wake_ms },
      partials: partials.map((match) => ({
        ...match,
        last: picksOf(match).map((pick) => [pick.event, pick.stage, picked.get(pick.event)]),
      })),
    });
    fc.assert(
      fc.property(
        buffered,
        nodes,
        fc.array(state, { maxLength: 4 }),
        fc.nat(),
        (buffer, given, states, next) => {
          const picks: Pick[] = [];
          for (const [at, [, stage, parent]] of given.entries()) {
            const before = parent % 3 === 0 ? undefined : picks[parent % (at + 1)];
            picks.push({ event: at, stage, before });
          }
          const partials = states.map(({ of, cut, ...rest }): PartialMatch => {
            const last = picks[of % picks.length] as Pick;
            const all = [last];
            for (let pick = last.before; pick !== undefined; pick = pick.before) all.push(pick);
            const length = Math.max(1, all.length - cut);
            return { ...rest, last, length, first: (all[length - 1] as Pick).event };
          });
          const picked = new Map(given.map(([of], at) => [at, of]));
          const row = { buffer, picked, partials, next, wake_ms: 7 };
          const writer = new ByteWriter();
          codec.write(writer, row);
          expect(seen(codec.read(new ByteReader(writer.copy())))).toEqual(seen(row));
          const former = readFormerPatternRow(formerBytes(row), trustedJsonCodec<Tick>());
          expect(seen(former)).toEqual(seen({ ...row, partials: partials.toSorted(compareUndecided) }));
        },
      ),
    );
  });
});

/** As the first version wrote rows: each partial match with all of its picks. */
function formerBytes({ buffer, picked, partials, next, wake_ms = -1 }: PatternRow<Tick>): Uint8Array {
  const events = trustedJsonCodec<Tick>();
  const writer = new ByteWriter().varint(next).zigzag(wake_ms).varint(buffer.length);
  for (const { time_ms, id, event } of buffer) {
    writer.zigzag(time_ms).string(id);
    events.write(writer, event);
  }
  writer.varint(picked.size);
  for (const [number, event] of picked) {
    writer.varint(number);
    events.write(writer, event);
  }
  writer.varint(partials.length);
  for (const match of partials) {
    const { isFresh, isComplete, isExtended } = match;
    const flags = (isFresh ? 1 : 0) | (isComplete ? 2 : 0) | (isExtended ? 4 : 0);
    const picks = picksOf(match);
    writer.zigzag(match.start_ms).varint(match.count).varint(match.dead).varint(flags).varint(picks.length);
    for (const { event, stage } of picks) writer.varint(event).varint(stage);
  }
  return writer.copy();
}
