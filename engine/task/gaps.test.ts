import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ManualClock } from '../base/index.ts';
import { type SourceRecord, StreamGapError } from '../edges/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { GAPS_MAX, GapBoard, type GapKind, readGaps, type StreamGap } from './gaps.ts';
import { META_TABLE } from './meta.ts';
import { namingGaps } from './naming-gaps.ts';

const INPUT = { node: 'events', facts: { stream: 'EVENTS', incarnation: 'i1' } };

const gap = (kind: GapKind, first: number, last = first, node = 'events'): StreamGap => ({
  ...{ kind, first, last, node, stream: 'EVENTS', incarnation: 'i1' },
  ...{ messages: last - first + 1, noticed_at_ms: 5 },
});

const openStore = () => new MemoryDisk().open();

function flush(store: ReturnType<typeof openStore>, board: GapBoard): readonly StreamGap[] {
  store.transaction(() => board.flush(store.table(META_TABLE)));
  return readGaps(store.table(META_TABLE));
}

describe('the gaps of a task', () => {
  it('come back as they were written, in the order of their sequences', () => {
    const store = openStore();
    const board = new GapBoard([]);
    for (const first of [300, 2, 70_000]) board.removed(INPUT, { first, last: first }, 5);
    expect(board.hasChanges).toBe(true);
    const wanted = [2, 300, 70_000].map((first) => gap('removed', first));
    expect(flush(store, board)).toEqual(wanted);
    expect([board.hasChanges, new GapBoard(wanted).messages]).toEqual([false, 3]);
  });

  it('are one where one follows the other, also after a restart', () => {
    const store = openStore();
    const board = new GapBoard([]);
    board.removed(INPUT, { first: 5, last: 6 }, 5);
    flush(store, board);
    const again = new GapBoard(readGaps(store.table(META_TABLE)));
    again.removed(INPUT, { first: 7, last: 9 }, 9);
    again.removed(INPUT, { first: 11, last: 11 }, 5);
    expect(flush(store, again)).toEqual([gap('removed', 5, 9), gap('removed', 11)]);
  });

  it('name each removed message once, whatever its neighbours', () => {
    const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(sequences, (given) => {
        const removed = [...given].sort((a, b) => a - b);
        const board = new GapBoard([]);
        for (const at of removed) board.removed(INPUT, { first: at, last: at }, 5);
        const named = flush(openStore(), board).flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, index) => first + index),
        );
        expect([named, board.messages]).toEqual([removed, removed.length]);
      }),
      { numRuns: 100 },
    );
  });

  it('name what two looks found of one loss once', () => {
    const board = new GapBoard([]);
    // What was received and not committed is read, and missed, again.
    board.removed(INPUT, { first: 8, last: 10 }, 5);
    board.removed(INPUT, { first: 5, last: 10 }, 9);
    expect(flush(openStore(), board)).toEqual([gap('removed', 5, 10)]);
  });

  it('say of what was read only how the stream is now', () => {
    const store = openStore();
    const board = new GapBoard([gap('removed', 2)]);
    board.add(gap('lost', 31, 50));
    board.add(gap('replaced', 11, 50));
    expect(flush(store, board)).toEqual([gap('replaced', 11, 50)]);
    expect(board.messages).toBe(41);
  });

  it('widen the last one beyond the limit, and count on exactly', () => {
    const board = new GapBoard([]);
    for (let index = 0; index < GAPS_MAX + 5; index++)
      board.removed(INPUT, { first: 1 + 2 * index, last: 1 + 2 * index }, 5);
    const gaps = flush(openStore(), board);
    expect([gaps.length, board.messages]).toEqual([GAPS_MAX, GAPS_MAX + 5]);
    const last = 1 + 2 * (GAPS_MAX + 4);
    expect(gaps.at(-1)).toMatchObject({ first: 1 + 2 * (GAPS_MAX - 1), last, messages: 6 });
  });

  it('settle with the stream: what was removed stays, and so does what is of another source', () => {
    const store = openStore();
    const given = [gap('removed', 3), gap('lost', 5), gap('lost', 5, 5, 'other')];
    const board = new GapBoard([]);
    for (const one of given) board.add(one);
    expect(flush(store, board)).toHaveLength(given.length);
    board.settle('events');
    expect(flush(store, board)).toEqual([gap('removed', 3), gap('lost', 5, 5, 'other')]);
    expect(readGaps(store.table(META_TABLE))).toHaveLength(2);
  });
});

describe('removed messages that are sent again', () => {
  const record = (header: string | undefined, sequence = 500): SourceRecord => ({
    ...{ sequence, subject: 'events.a', data: new Uint8Array(0), hasHeaders: header !== undefined },
    header: (name) => (name === 'Millrace-Resends' ? header : undefined),
  });

  it('are missing no more: exactly those that headers name', () => {
    const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 });
    const ranges = fc.array(
      fc
        .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 9 }))
        .map(([first, more]): readonly [number, number] => [first, first + more]),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(sequences, ranges, (given, resent) => {
        const store = openStore();
        let board = new GapBoard([]);
        for (const at of given.toSorted((a, b) => a - b)) board.removed(INPUT, { first: at, last: at }, 5);
        flush(store, board);
        board = new GapBoard(readGaps(store.table(META_TABLE)));
        const headers = resent.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
        const notices = board.noteResent('events', [record(undefined), record(headers.join(', '))]);
        const isThere = (at: number): boolean => !resent.some(([first, last]) => at >= first && at <= last);
        const left = given.filter(isThere).sort((a, b) => a - b);
        const named = flush(store, board).flatMap(({ first, last, messages }) => {
          expect(messages).toBe(last - first + 1);
          return Array.from({ length: messages }, (_, index) => first + index);
        });
        const told = notices.reduce((sum, { detail }) => sum + Number(detail.messages), 0);
        expect([named, told]).toEqual([left, given.length - left.length]);
      }),
      { numRuns: 200 },
    );
  });

  it('are told by nothing else: another source, a header that is none, what was applied', () => {
    const board = new GapBoard([gap('removed', 3, 5), gap('lost', 7, 9)]);
    for (const header of ['3-', 'x', '3;4', '', '-5', '9999999999999999']) {
      expect(board.noteResent('events', [record(header)])).toEqual([]);
    }
    expect(board.noteResent('other', [record('1-9')])).toEqual([]);
    expect(board.noteResent('events', [record('1-9', 77)])).toEqual([
      {
        ...{ kind: 'gap_resent', scope: 'events.a', sequence: 77 },
        detail: { source: 'events', first: 1, last: 9, messages: 3 },
      },
    ]);
    expect(flush(openStore(), board)).toEqual([]);
  });

  it('are believed of one subject where one is named', () => {
    const board = new GapBoard([gap('removed', 3, 5)]);
    expect(board.noteResent('events', [record('3-5')], { resendsOn: () => 'events._resends' })).toEqual([]);
    expect(board.noteResent('events', [record('3-5')], { resendsOn: () => 'events.a' })).toHaveLength(1);
  });

  it('go as a whole where their gap stands for several', () => {
    const several = { ...gap('removed', 10, 20), messages: 4 };
    const board = new GapBoard([several]);
    expect(board.noteResent('events', [record('10-19')])).toEqual([]);
    expect(board.messages).toBe(4);
    expect(board.noteResent('events', [record('9-20')])).toHaveLength(1);
    expect(board.messages).toBe(0);
  });
});

describe('an error that names what the stream lost', () => {
  it.each([
    ['position_ahead_of_stream', 'lost'],
    ['position_before_stream', 'removed'],
    ['stream_replaced', 'replaced'],
  ] as const)(
    '%s is written down as %s before it is thrown on, once however often it comes',
    async (code, kind) => {
      const store = openStore();
      const clock = new ManualClock(5);
      const error = new StreamGapError(code, 'Some are gone.', { first: 4, last: 6 });
      for (let start = 0; start < 2; start++) {
        const work = namingGaps({ store, clock, node: 'events' }, () => Promise.reject(error));
        await expect(work).rejects.toBe(error);
      }
      expect(readGaps(store.table(META_TABLE))).toEqual([
        { ...gap(kind, 4, 6), stream: '', incarnation: '' },
      ]);
    },
  );
});
