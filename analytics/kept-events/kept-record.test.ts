import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { KeptEvents, lastOf } from './kept-record.ts';
import { KeptTimes } from './kept-times.ts';

interface Event {
  readonly time_ms: number;
  readonly bits: number;
  readonly held: readonly number[];
}

const SHAPES = [
  { codes: 0, hashes: 0 },
  { codes: 2, hashes: 1 },
] as const;

const eventOf = (words: number): fc.Arbitrary<Event> =>
  fc.record({
    time_ms: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 ** 47 })),
    bits: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
    held: fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: words, maxLength: words }),
  });

function append(events: KeptEvents, { time_ms, bits, held }: Event, sign: 1 | -1): void {
  const place = events.append(time_ms, bits, sign);
  for (const [word, value] of held.entries()) events.held[place * events.words + word] = value;
}

const listOf = (events: KeptEvents): Event[] =>
  Array.from({ length: events.count }, (_, place) => ({
    time_ms: events.time_ms[place] as number,
    bits: events.bits[place] as number,
    held: [...events.held.subarray(place * events.words, (place + 1) * events.words)],
  }));

const keyOf = ({ time_ms, bits, held }: Event): string =>
  [time_ms, bits, ...held].map((value) => String(value).padStart(16, '0')).join('/');
const sorted = (list: readonly Event[]): Event[] => list.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));

const never = (): void => {
  throw new Error('nothing is missing');
};

/** Of a record that begins at 4, and holds nothing. */
function expectTimes(bytes: Uint8Array, [from_ms, until_ms]: [number, number], within: Event[]): void {
  const times = new KeptTimes();
  const span = { from_ms, until_ms, first_ms: from_ms, last_ms: until_ms };
  const isRead = times.read(bytes, 4, bytes.length, span);
  if (!isRead) expect(within).toEqual([]);
  const { from, end, time_ms, bits } = times;
  const own = Array.from(time_ms.subarray(from, end), (at_ms, at) => [at_ms, bits[from + at]]);
  if (isRead) expect(own).toEqual(within.map((event) => [event.time_ms, event.bits]));
}

describe('a record of kept events', () => {
  it.each(SHAPES)(
    'gives back what was written, whole and by range, whatever the order ($codes codes)',
    (shape) => {
      const words = shape.codes + 2 * shape.hashes;
      const range = fc.tuple(fc.nat({ max: 6 }), fc.oneof(fc.nat({ max: 7 }), fc.constant(2 ** 48)));
      fc.assert(
        fc.property(
          fc.array(eventOf(words), { minLength: 1, maxLength: 90 }),
          range,
          (list, [from, until]) => {
            const events = new KeptEvents(shape);
            for (const event of list) append(events, event, 1);
            events.settle(Number.NEGATIVE_INFINITY, never);
            const expected = sorted(list);
            expect(listOf(events)).toEqual(expected);
            const writer = new ByteWriter().u32(7);
            events.write(writer);
            const bytes = writer.copy();
            expect(lastOf(bytes, 4)).toBe(expected.at(-1)?.time_ms);
            const again = new KeptEvents(shape);
            again.read(bytes, 4, bytes.length);
            expect(listOf(again)).toEqual(expected);
            again.clear();
            again.read(bytes, 4, bytes.length, from, until);
            const within = expected.filter(({ time_ms }) => time_ms >= from && time_ms < until);
            expect(listOf(again)).toEqual(within);
            if (within.length > 0) expect(again.mayHave(bytes, 4, from, until)).toBe(true);
            if (words === 0) expectTimes(bytes, [from, until], within);
          },
        ),
      );
    },
  );

  it('is what is left when each event that is taken back has taken one like it away, in any order', () => {
    const small = fc.record({ time_ms: fc.nat({ max: 3 }), bits: fc.integer({ min: 1, max: 2 }) });
    const shape = { codes: 0, hashes: 0 };
    const plan = fc.tuple(fc.array(small, { maxLength: 12 }), fc.array(small, { maxLength: 12 }), fc.nat());
    fc.assert(
      fc.property(plan, ([kept, gone, order]) => {
        const signed = [
          ...kept.map((event) => ({ event, sign: 1 as const })),
          ...gone.flatMap((event) => [
            { event, sign: 1 as const },
            { event, sign: -1 as const },
          ]),
        ];
        const shuffled = signed
          .map((one, at) => ({ one, key: Math.imul(at + 1, order | 1) % 97 }))
          .sort((a, b) => a.key - b.key);
        const events = new KeptEvents(shape);
        for (const { one } of shuffled) append(events, { ...one.event, held: [] }, one.sign);
        events.settle(Number.NEGATIVE_INFINITY, never);
        expect(listOf(events)).toEqual(sorted(kept.map((event) => ({ ...event, held: [] }))));
      }),
    );
  });

  it('says what was to be taken back and is not there, and leaves out what is behind the cut', () => {
    const events = new KeptEvents({ codes: 0, hashes: 0 });
    const missing: number[] = [];
    for (const time_ms of [1, 2, 5]) append(events, { time_ms, bits: 1, held: [] }, 1);
    for (const time_ms of [1, 3]) append(events, { time_ms, bits: 2, held: [] }, -1);
    events.settle(2, (time_ms) => missing.push(time_ms));
    expect(listOf(events).map(({ time_ms }) => time_ms)).toEqual([2, 5]);
    expect(missing).toEqual([3]);
  });
});
