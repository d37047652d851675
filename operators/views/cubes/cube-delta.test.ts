import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { type ExactSum, narrow } from '../../aggregates/index.ts';
import { DeltaEncoder, DeltaReader, readDeltaHeader, recentKey, scanRecent } from './cube-delta.ts';

const MINUTE_MS = 60_000;
const MEASURES = 31;
const UNITS = ['', 'EUR', 'a\u0000b'];
const VALUES = ['', 'DE', 'ünï', 'EUR', 'x'.repeat(200)];

interface Entry {
  readonly bucket_ms: number;
  readonly unit: number;
  readonly first: number;
  readonly second: number;
  /** By measure; none is 0. */
  readonly sums: ReadonlyMap<number, ExactSum>;
  readonly observed: readonly number[];
  readonly members: readonly number[];
}

const sum = fc
  .oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(narrow))
  .filter((value) => value !== 0);
const entry: fc.Arbitrary<Entry> = fc.record({
  bucket_ms: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((minutes) => minutes * MINUTE_MS),
  unit: fc.nat(UNITS.length - 1),
  first: fc.nat(VALUES.length - 1),
  second: fc.nat(VALUES.length - 1),
  sums: fc
    .array(fc.tuple(fc.nat(MEASURES - 1), sum), { maxLength: 5 })
    .map((pairs) => new Map(pairs.sort(([a], [b]) => a - b))),
  observed: fc.array(fc.tuple(fc.nat(9), fc.maxSafeInteger()), { maxLength: 5 }).map((pairs) => pairs.flat()),
  members: fc.array(fc.maxSafeNat(), { maxLength: 5 }),
});

function encode(encoder: DeltaEncoder, entries: readonly Entry[]): Uint8Array {
  encoder.reset();
  for (const { bucket_ms, unit, first, second, sums, observed, members } of entries) {
    if (encoder.begin(bucket_ms, unit, first, second)) {
      encoder.text(UNITS[unit] as string);
      encoder.text(VALUES[first] as string);
      encoder.text(VALUES[second] as string);
    }
    let mask = 0;
    for (const measure of sums.keys()) mask += 2 ** measure;
    encoder.sums(mask);
    for (const value of sums.values()) encoder.sum(value);
    if (observed.length + members.length > 0) {
      encoder.detail(observed.length / 2);
      for (let at = 0; at < observed.length; at += 2)
        encoder.observe(observed[at] as number, observed[at + 1] as number);
      encoder.members(members.length);
      for (const member of members) encoder.member(member);
    }
  }
  return Uint8Array.from(encoder.finish());
}

const named = ({ unit, first, second }: Entry) => [UNITS[unit], VALUES[first], VALUES[second]];

describe('a delta', () => {
  it('gives back its entries and their range, with an encoder used again', () => {
    const encoder = new DeltaEncoder();
    fc.assert(
      fc.property(fc.array(entry, { minLength: 1, maxLength: 8 }), (entries) => {
        const bytes = encode(encoder, entries);
        const delta = new DeltaReader(bytes, 2);
        const name = (at: number) => [
          delta.combinations[at]?.unit,
          ...(delta.combinations[at]?.values ?? []),
        ];
        const slots = Int32Array.from({ length: MEASURES }, (_, measure) => measure);
        const read: unknown[] = [];
        delta.visitSums(slots, new Array<ExactSum>(MEASURES).fill(0), (at, bucket_ms, sums) => {
          const kept = [...sums.entries()].filter(([, value]) => value !== 0);
          read.push([name(at), bucket_ms, new Map(kept)]);
        });
        expect(read).toEqual(entries.map((made) => [named(made), made.bucket_ms, made.sums]));
        const details: unknown[] = [];
        delta.visitDetails({
          observed: (at, bucket_ms, distribution, value) =>
            details.push([name(at), bucket_ms, distribution, value]),
          member: (at, bucket_ms, hash) => details.push([name(at), bucket_ms, hash]),
        });
        const wanted = entries.flatMap((made) => [
          ...Array.from({ length: made.observed.length / 2 }, (_, pair) => [
            named(made),
            made.bucket_ms,
            made.observed[pair * 2],
            made.observed[pair * 2 + 1],
          ]),
          ...made.members.map((hash) => [named(made), made.bucket_ms, hash]),
        ]);
        expect(details).toEqual(wanted);
        const buckets = entries.map(({ bucket_ms }) => bucket_ms);
        expect(readDeltaHeader(bytes)).toEqual({
          entries: entries.length,
          min_ms: Math.min(...buckets),
          max_ms: Math.max(...buckets),
        });
        expect(new Set(delta.combinations.map((_, at) => JSON.stringify(name(at)))).size).toBe(
          delta.combinations.length,
        );
      }),
    );
  });

  it('gives a reader only the measures that it has places for', () => {
    const encoder = new DeltaEncoder();
    const sums = new Map<number, ExactSum>([
      [0, 5],
      [3, 2n ** 60n],
      [30, -7],
    ]);
    const bytes = encode(encoder, [
      { bucket_ms: MINUTE_MS, unit: 1, first: 1, second: 2, sums, observed: [], members: [] },
    ]);
    const slots = new Int32Array(MEASURES).fill(-1);
    slots[30] = 0;
    slots[2] = 1;
    const seen: (readonly ExactSum[])[] = [];
    new DeltaReader(bytes, 2).visitSums(slots, [9, 9], (_, __, values) => seen.push([...values]));
    expect(seen).toEqual([[-7, 0]]);
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
