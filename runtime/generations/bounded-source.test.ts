import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Source, SourceRecord } from '../../engine/index.ts';
import { BoundedSource } from './bounded-source.ts';

/** A stream in memory, some of whose messages were removed. */
function streamOf(sequences: readonly number[], batch: number, last: number): Source {
  let at = 0;
  return {
    partition: '0',
    facts: () => Promise.resolve({ stream: 'S', incarnation: '1', firstSequence: 1, lastSequence: last }),
    start: async (after) => {
      at = sequences.filter((sequence) => sequence <= after).length;
    },
    take: async ({ max }) => {
      const taken = sequences.slice(at, at + Math.min(max, batch));
      at += taken.length;
      return taken.map(
        (sequence): SourceRecord => ({
          sequence,
          subject: 's',
          data: new Uint8Array(),
          hasHeaders: false,
          header: () => undefined,
        }),
      );
    },
    state: () => ({ headSequence: last, caughtUp: at >= sequences.length, connected: true, skipped: 0 }),
    stop: () => Promise.resolve(),
  };
}

it('gives every message once and in order, to each end and on from there', async () => {
  const cases = fc.record({
    removed: fc.uniqueArray(fc.integer({ min: 1, max: 60 })),
    ends: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }),
    batch: fc.integer({ min: 1, max: 20 }),
    max: fc.integer({ min: 1, max: 20 }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ removed, ends, batch, max }) => {
      const sequences = Array.from({ length: 60 }, (_, index) => index + 1).filter(
        (sequence) => !removed.includes(sequence),
      );
      const source = new BoundedSource(streamOf(sequences, batch, 60), 0);
      await source.start(0);
      const given: number[] = [];
      for (const end of [...ends].sort((a, b) => a - b)) {
        source.last = Math.max(source.last, end);
        while (!source.isAtEnd) {
          given.push(...(await source.take({ max, wait_ms: 0 })).map(({ sequence }) => sequence));
        }
        expect(given).toEqual(sequences.filter((sequence) => sequence <= source.last));
        expect(source.given).toBe(given.length);
      }
    }),
    { seed: 11, numRuns: 300 },
  );
});
