import { describe, expect, it } from 'vitest';
import type { Progress } from '../../engine/index.ts';
import { QueryError } from '../query/index.ts';
import { answerPosition } from './as-of.ts';
import { queryIdOf } from './query-id.ts';

const CREATED = '2025-01-01T00:00:00.123456789Z';

function progressOf(sequence: number, incarnation = CREATED): Progress {
  const event_time = { watermark_ms: null, watermarks: {} };
  const input = { stream: 'EVENTS', partition: '0', incarnation, sequence, head: sequence };
  return { ...event_time, ...input, commit: 1, committed_at_ms: 0, outbox_next: 0, notices: {} };
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof QueryError) return error.code;
    throw error;
  }
  return 'none';
}

describe('the position of an answer', () => {
  it('is that of the state, with the incarnation of its stream, and an id of the answer leads back to it', () => {
    const { position, upTo } = answerPosition({}, progressOf(7));
    expect([position, upTo]).toEqual([{ EVENTS: { 0: 7, incarnation: 1_735_689_600_123_456 } }, undefined]);
    const as_of = { query_id: queryIdOf(position, 'seed') };
    expect(answerPosition({ as_of }, progressOf(9))).toEqual({ position, upTo: 7 });
  });

  it('of a stream that was deleted and made again is of other events: refused, by id and by position', () => {
    const { position } = answerPosition({}, progressOf(7));
    const again = progressOf(9, '2025-02-02T00:00:00Z');
    const query_id = queryIdOf(position, 'seed');
    expect(codeOf(() => answerPosition({ as_of: { query_id } }, again))).toBe('position_unknown');
    expect(codeOf(() => answerPosition({ as_of: position }, again))).toBe('position_unknown');
    // Without an incarnation a position says nothing of it.
    expect(answerPosition({ as_of: { EVENTS: { 0: 7 } } }, again).upTo).toBe(7);
  });

  it('that is not reached, or of another stream, is refused', () => {
    expect(codeOf(() => answerPosition({ as_of: { EVENTS: { 0: 8 } } }, progressOf(7)))).toBe(
      'position_ahead',
    );
    expect(codeOf(() => answerPosition({ as_of: { OTHER: { 0: 1 } } }, progressOf(7)))).toBe(
      'position_unknown',
    );
    expect(answerPosition({ as_of: {} }, progressOf(7)).upTo).toBe(0);
  });
});
