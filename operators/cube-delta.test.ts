import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../engine/index.ts';
import {
  DeltaEncoder,
  type DeltaEntry,
  readDelta,
  readDeltaHeader,
  recentKey,
  scanRecent,
} from './cube-delta.ts';
import { narrow } from './exact-sum.ts';

const MINUTE_MS = 60_000;
const text = fc.oneof(fc.constantFrom('', 'DE', 'EUR'), fc.string({ unit: 'binary', maxLength: 5 }));
const entry: fc.Arbitrary<DeltaEntry> = fc
  .record({
    bucket_ms: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((minutes) => minutes * MINUTE_MS),
    unit: text,
    values: fc.tuple(text, text, text),
    sums: fc.array(
      fc.tuple(
        fc.integer({ min: 0, max: 126 }),
        fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(narrow)),
      ),
      { maxLength: 5 },
    ),
    observed: fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.maxSafeInteger()), { maxLength: 5 }),
    members: fc.array(fc.maxSafeNat(), { maxLength: 5 }),
  })
  .map((made) => ({ ...made, sums: made.sums.flat(), observed: made.observed.flat() }));

function encode(encoder: DeltaEncoder, entries: readonly DeltaEntry[]): Uint8Array {
  encoder.reset();
  for (const { bucket_ms, unit, values, sums, observed, members } of entries) {
    encoder.begin(bucket_ms, unit);
    for (const value of values) encoder.value(value);
    for (let at = 0; at < sums.length; at += 2) encoder.sum(Number(sums[at]), sums[at + 1] as number);
    encoder.endSums();
    for (let at = 0; at < observed.length; at += 2)
      encoder.observe(observed[at] as number, observed[at + 1] as number);
    encoder.endObserved();
    encoder.members(members);
  }
  return Uint8Array.from(encoder.finish());
}

describe('a delta', () => {
  it('gives back its entries and their range, with an encoder used again', () => {
    const encoder = new DeltaEncoder();
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
        const bytes = encode(encoder, entries);
        expect([...readDelta(bytes, 3)]).toEqual(entries);
        const buckets = entries.map(({ bucket_ms }) => bucket_ms);
        expect(readDeltaHeader(bytes)).toEqual({
          entries: entries.length,
          min_ms: Math.min(...buckets),
          max_ms: Math.max(...buckets),
        });
      }),
    );
  });

  it('rows of a cube are found oldest first, and no others', () => {
    const store = new MemoryDisk().open();
    const recent = store.table('recent');
    store.transaction(() => {
      for (const [scope, cube, commit] of [
        ['a', 'x', 300],
        ['a', 'x', 2],
        ['a', 'xy', 1],
        ['ab', 'x', 1],
        ['a', 'x', 70_000],
      ] as const) {
        recent.put(recentKey(scope, cube, commit), Buffer.from(String(commit)));
      }
    });
    expect([...scanRecent(recent, 'a', 'x')].map(({ value }) => Buffer.from(value).toString())).toEqual([
      '2',
      '300',
      '70000',
    ]);
  });
});
