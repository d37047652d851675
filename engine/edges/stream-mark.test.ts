import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { compareMarks, MARKS_MAX, markOf, type StreamMark, withMark } from './stream-mark.ts';

const message = (sequence: number, text: string, stored_ms: number | undefined = 1_000 + sequence) => ({
  ...{ sequence, subject: 'events.a.x', data: Buffer.from(text) },
  ...(stored_ms === undefined ? {} : { stored_ms }),
});

function mark(sequence: number, text = `m${sequence}`, stored_ms?: number): StreamMark {
  const made = markOf(message(sequence, text, stored_ms));
  if (made === undefined) throw new Error('a message with a time has a mark');
  return made;
}

const stored = (...marks: readonly StreamMark[]): Map<number, StreamMark> =>
  new Map(marks.map((one) => [one.sequence, one]));

/** The gap that the comparison names; undefined: it is content. */
function gapOf(marks: readonly StreamMark[], found: ReadonlyMap<number, StreamMark>, read = 30): unknown {
  try {
    compareMarks('EVENTS', read, marks, found);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: 'stream_replaced', retriable: false });
    return (error as { readonly gap?: unknown }).gap;
  }
}

describe('the mark of a message', () => {
  it('is of its subject, its payload and its time', () => {
    const one = mark(7, 'text');
    expect(mark(7, 'text')).toEqual(one);
    expect(mark(7, 'texu').hash).not.toBe(one.hash);
    expect(markOf({ ...message(7, 'text'), subject: 'events.b.x' })?.hash).not.toBe(one.hash);
    // Where a subject ends is part of it.
    const [left, right] = ['ab', 'a'].map((subject) =>
      markOf({ ...message(7, subject === 'ab' ? 'c' : 'bc'), subject }),
    );
    expect(left?.hash).not.toBe(right?.hash);
  });

  it('is none where the source does not know when it was stored', () => {
    const { stored_ms: _time, ...timeless } = message(7, 'text');
    expect(markOf(timeless)).toBeUndefined();
  });
});

describe('the marks of a position', () => {
  it('are few, in order, with the newest and the oldest, and ever further apart', () => {
    const steps = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(steps, (given) => {
        const all: StreamMark[] = [];
        for (const step of given) all.push(mark((all.at(-1)?.sequence ?? 0) + step, 'x'));
        const kept = all.reduce<readonly StreamMark[]>(withMark, []);
        const sequences = kept.map(({ sequence }) => sequence);
        expect(kept).toHaveLength(Math.min(MARKS_MAX, all.length));
        expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
        expect([kept.at(0), kept.at(-1)]).toEqual([all.at(0), all.at(-1)]);
      }),
      { numRuns: 100 },
    );
    const even = Array.from({ length: 10_000 }, (_, index) => mark(index + 1, 'x'));
    const kept = even.reduce<readonly StreamMark[]>(withMark, []).map(({ sequence }) => 10_000 - sequence);
    // A copy that is a little older is told from one that is much older: marks near the end, and far from it.
    expect(kept.filter((distance) => distance < 100).length).toBeGreaterThan(2);
    expect(kept.filter((distance) => distance >= 1_000).length).toBeGreaterThan(1);
  });
});

describe('a stream that is compared with marks', () => {
  const marks = [mark(10), mark(20), mark(30)];

  it('is the one that was read, where all are the same or are gone', () => {
    expect(gapOf(marks, stored(...marks))).toBeUndefined();
    expect(gapOf(marks, stored(mark(30)))).toBeUndefined();
    expect(gapOf(marks, stored())).toBeUndefined();
  });

  it('is another one from behind the last common mark', () => {
    expect(gapOf(marks, stored(mark(10), mark(20), mark(30, 'other')))).toEqual({ first: 21, last: 30 });
    expect(gapOf(marks, stored(mark(10), mark(20, 'other'), mark(30, 'other')))).toEqual({
      ...{ first: 11, last: 30 },
    });
    expect(gapOf(marks, stored(mark(10, 'other')), 35)).toEqual({ first: 1, last: 35 });
  });

  it('is another one also where the same bytes were stored at another time', () => {
    expect(gapOf(marks, stored(mark(10), mark(20), mark(30, 'm30', 5)))).toEqual({ first: 21, last: 30 });
  });
});
