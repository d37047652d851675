import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../state/index.ts';
import { GAPS_MAX, GapBoard, readGaps } from './gaps.ts';

const facts = { stream: 'EVENTS', incarnation: '2025-01-01T00:00:00Z' };
const by = { node: 'events', facts };

/** What a state has of a board's gaps, as its next task reads it. */
function kept(board: GapBoard, disk: MemoryDisk): ReturnType<typeof readGaps> {
  const store = disk.open();
  store.transaction(() => board.flush(store.table('meta')));
  return readGaps(store.table('meta'));
}

describe('the gaps of a task', () => {
  it('are written with a commit, and gaps that touch are one', () => {
    const disk = new MemoryDisk();
    const board = new GapBoard([]);
    expect(board.hasChanges).toBe(false);
    board.removed(by, { first: 5, last: 6 }, 1_000);
    board.removed(by, { first: 7, last: 7 }, 2_000);
    board.removed(by, { first: 10, last: 10 }, 3_000);
    expect([board.hasChanges, board.messages]).toEqual([true, 4]);
    const stored = kept(board, disk);
    expect(stored.map(({ first, last, messages }) => [first, last, messages])).toEqual([
      [5, 7, 3],
      [10, 10, 1],
    ]);
    expect(new GapBoard(stored).messages).toBe(4);
  });

  it('that were noticed of what had been read go when the stream fits again, the others stay', () => {
    const disk = new MemoryDisk();
    const board = new GapBoard([]);
    board.removed(by, { first: 5, last: 6 }, 1_000);
    board.add({
      ...facts,
      node: 'events',
      kind: 'replaced',
      first: 20,
      last: 29,
      messages: 10,
      noticed_at_ms: 1,
    });
    expect(kept(board, disk)).toHaveLength(2);
    board.settle('another');
    board.settle('events');
    expect(kept(board, disk).map(({ kind }) => kind)).toEqual(['removed']);
    expect(board.messages).toBe(2);
  });

  it('are bounded: later ones widen the last, and no message is left out of the count', () => {
    const board = new GapBoard([]);
    for (let at = 1; at <= GAPS_MAX + 50; at++) board.removed(by, { first: at * 10, last: at * 10 }, at);
    const gaps = kept(board, new MemoryDisk());
    expect(gaps).toHaveLength(GAPS_MAX);
    expect(gaps.at(-1)).toMatchObject({ last: (GAPS_MAX + 50) * 10, messages: 51 });
    expect(board.messages).toBe(GAPS_MAX + 50);
  });
});
