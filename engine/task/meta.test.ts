import { describe, expect, it } from 'vitest';
import { cpuTime } from '../../test/running-time.ts';
import { MemoryDisk } from '../state/index.ts';
import {
  checkPosition,
  META_TABLE,
  NOTICES_PER_KIND,
  NoticeBoard,
  type Progress,
  readNotices,
  readProgress,
  writeProgress,
} from './meta.ts';

const progress: Progress = {
  commit: 4,
  stream: 'EVENTS',
  incarnation: 'i1',
  partition: '0',
  sequence: 100,
  watermark_ms: null,
  committed_at_ms: 5,
  head: 120,
  outbox_next: 3,
  notices: { acme: { late: 2 } },
};
const facts = { stream: 'EVENTS', incarnation: 'i1', firstSequence: 1, lastSequence: 120 };

describe('progress', () => {
  it('comes back as it was written', () => {
    const store = new MemoryDisk().open();
    const meta = store.table(META_TABLE);
    expect(readProgress(meta)).toBeUndefined();
    store.transaction(() => writeProgress(meta, progress));
    expect(readProgress(meta)).toEqual(progress);
  });
});

describe('checkPosition', () => {
  it.each([
    ['a new state', undefined, facts],
    ['a stream with more', progress, facts],
    ['a stream that ends at the position', progress, { ...facts, lastSequence: 100 }],
    [
      'a stream that begins just after the position',
      progress,
      { ...facts, firstSequence: 101, lastSequence: 100 },
    ],
  ])('takes %s', (_, known, given) => {
    expect(() => checkPosition(known, given)).not.toThrow();
  });

  it.each([
    ['stream_mismatch', { ...facts, stream: 'OTHER' }],
    ['stream_recreated', { ...facts, incarnation: 'i2' }],
    ['position_ahead_of_stream', { ...facts, lastSequence: 99 }],
    ['position_before_stream', { ...facts, firstSequence: 102 }],
  ])('refuses with %s, and says what can be done', (code, given) => {
    expect(() => checkPosition(progress, given)).toThrow(
      expect.objectContaining({ code, retriable: false, message: expect.stringMatching(/[A-Z].*\.$/s) }),
    );
  });

  it('says how many messages are gone', () => {
    expect(() => checkPosition(progress, { ...facts, firstSequence: 111 })).toThrow(
      /: 10 messages were removed/,
    );
  });
});

describe('notices', () => {
  const notice = (sequence: number, kind = 'late', scope = 'acme') => ({
    kind,
    scope,
    sequence,
    detail: { part: 0 },
  });
  const flushed = (board: NoticeBoard) => {
    const store = new MemoryDisk().open();
    store.transaction(() => board.flush(store.table(META_TABLE)));
    return store.table(META_TABLE);
  };

  it('are counted by scope and kind, and go on from the stored counts', () => {
    const board = new NoticeBoard({ acme: { late: 5 } });
    board.add(notice(1));
    board.add(notice(2, 'conflict'));
    board.add(notice(3, 'late', '__proto__'));
    const counts = board.counts();
    expect(Object.entries(counts)).toEqual([
      ['acme', { late: 6, conflict: 1 }],
      ['__proto__', { late: 1 }],
    ]);
    const again = new NoticeBoard(JSON.parse(JSON.stringify(counts)) as typeof counts).counts();
    expect(Object.entries(again)).toEqual(Object.entries(counts));
  });

  it('are read newest first, of one scope and kind', () => {
    const board = new NoticeBoard({});
    for (const sequence of [1, 2, 3]) board.add(notice(sequence));
    board.add(notice(9, 'conflict'));
    board.add(notice(10, 'late', 'acme2'));
    const meta = flushed(board);
    expect(readNotices(meta, 'acme', 'late', 2).map(({ sequence }) => sequence)).toEqual([3, 2]);
    expect(readNotices(meta, 'acme', 'conflict', 10)).toEqual([notice(9, 'conflict')]);
  });

  it('the newest of each kind stay readable, the counters count all', () => {
    const board = new NoticeBoard({});
    const many = 10 * NOTICES_PER_KIND + 7;
    for (let sequence = 1; sequence <= many; sequence++) board.add(notice(sequence));
    const kept = readNotices(flushed(board), 'acme', 'late', many);
    expect(kept.length).toBe(NOTICES_PER_KIND);
    expect(kept.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: NOTICES_PER_KIND }, (_, index) => many - index),
    );
    expect(board.counts()).toEqual({ acme: { late: many } });
  });

  it('a flood for many tenants between two commits costs no more for each', () => {
    const board = new NoticeBoard({});
    const tenants = Array.from({ length: 20 }, (_, index) => `tenant-${index}`);
    const used_ms = cpuTime();
    for (let sequence = 0; sequence < 100_000; sequence++)
      board.add(notice(sequence, 'duplicate', tenants[sequence % 20] as string));
    expect(used_ms()).toBeLessThan(2_000);
    expect(readNotices(flushed(board), 'tenant-0', 'duplicate', 1)[0]?.sequence).toBe(99_980);
  });
});
