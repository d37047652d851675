import { describe, expect, it } from 'vitest';
import { compareMarks, MARKS_MAX, markOf, type StreamMark, withMark } from './stream-mark.ts';

const message = (sequence: number, text = `event ${sequence}`) => ({
  ...{ sequence, stored_ms: 1_000 + sequence, subject: 'events.a' },
  data: Buffer.from(text),
});

function markAt(sequence: number, text?: string): StreamMark {
  const mark = markOf(message(sequence, text));
  if (mark === undefined) throw new Error('the message says when it was stored');
  return mark;
}

const found = (...marks: StreamMark[]) => new Map(marks.map((mark) => [mark.sequence, mark]));

describe('marks of a position', () => {
  it('are few, the newest among them, and ever further apart', () => {
    let marks: readonly StreamMark[] = [];
    for (let sequence = 1; sequence <= 1_000; sequence++) marks = withMark(marks, markAt(sequence));
    expect(marks).toHaveLength(MARKS_MAX);
    const sequences = marks.map(({ sequence }) => sequence);
    expect(sequences.at(-1)).toBe(1_000);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    const apart = sequences.slice(1).map((sequence, at) => sequence - (sequences[at] ?? 0));
    expect(apart[0]).toBeGreaterThan(apart.at(-1) ?? 0);
  });

  it('differ by subject, bytes and time, and are none of what has no time', () => {
    const one = markAt(7);
    expect(markAt(7)).toEqual(one);
    expect(markAt(7, 'other').hash).not.toBe(one.hash);
    expect(markOf({ ...message(7), subject: 'events.b' })?.hash).not.toBe(one.hash);
    const { stored_ms: _, ...timeless } = message(7);
    expect(markOf(timeless)).toBeUndefined();
  });

  it('find the first message that is another one, and what is still the same before it', () => {
    const marks = [markAt(10), markAt(20), markAt(30)];
    const check = (now: ReturnType<typeof found>) => () => compareMarks('EVENTS', 32, marks, now);
    expect(check(found(...marks))).not.toThrow();
    // What the stream has dropped says nothing.
    expect(check(found(markAt(30)))).not.toThrow();
    expect(check(new Map())).not.toThrow();
    let thrown: unknown;
    try {
      check(found(markAt(10), markAt(20), markAt(30, 'published since')))();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'stream_replaced', gap: { first: 21, last: 32 } });
  });

  it('see the same bytes that were stored at another time', () => {
    const again = { ...markAt(10), stored_ms: 99 };
    expect(() => compareMarks('EVENTS', 10, [markAt(10)], found(again))).toThrow(/another one than was read/);
  });
});
