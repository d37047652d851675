import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { randomOf } from '../kpis/fixture-rows.ts';
import { bucketsOf, zoneOf } from '../query/index.ts';
import { AmountCounts } from './amount-counts.ts';
import { AmountValues } from './amount-values.ts';
import { DetailBudget } from './detail-budget.ts';
import { MemberCounts } from './member-counts.ts';
import { SlotFinder, slotsOf } from './time-slots.ts';

const budget = new DetailBudget();

function copyOf(counts: AmountCounts): AmountCounts {
  const writer = new ByteWriter();
  counts.write(writer);
  return AmountCounts.read(new ByteReader(writer.copy()), budget);
}

describe('AmountCounts', () => {
  const read = (counts: AmountCounts): AmountValues => {
    const values = new AmountValues();
    values.add(counts, undefined);
    return values;
  };

  it('goes on as a sketch, within 1 %, with exact extremes, whatever is taken back in which order', () => {
    const random = randomOf(7);
    const kept = Array.from({ length: 60_000 }, () => Math.floor(random() * 10_000_000) - 50_000);
    const gone = Array.from({ length: 3_000 }, (_, n) => (n % 2 === 0 ? -1 : 1) * (20_000_000 + n));
    const halves = [new AmountCounts(budget), new AmountCounts(budget)] as const;
    for (const [at, value] of gone.entries()) halves[at % 2 === 0 ? 0 : 1].add(value, -1);
    for (const [at, value] of kept.entries()) halves[at % 2 === 0 ? 0 : 1].add(value, 1);
    for (const value of gone) halves[0].add(value, 1);
    const all = copyOf(halves[0]);
    all.addAll(copyOf(halves[1]));
    expect(all.isSketch).toBe(true);
    const values = read(all);
    const sorted = kept.toSorted((a, b) => a - b);
    expect([values.count, values.min, values.max]).toEqual([60_000, sorted[0], sorted.at(-1)]);
    expect([values.isExact, values.hasExactExtremes]).toEqual([false, true]);
    for (const percent of [50, 90, 99]) {
      const exact = sorted[Math.ceil((percent * 60_000) / 100) - 1] as number;
      expect(Math.abs(values.quantile(percent) / exact - 1)).toBeLessThan(0.0101);
    }
  });

  it('says the same beyond 10,000 whether its cells are sketches or not', () => {
    const random = randomOf(8);
    const given = Array.from({ length: 50_000 }, () => Math.floor(random() * 1_000_000));
    const whole = new AmountCounts(budget);
    const parts = new AmountValues();
    for (let from = 0; from < given.length; from += 10_000) {
      const part = new AmountCounts(budget);
      for (const value of given.slice(from, from + 10_000)) {
        part.add(value, 1);
        whole.add(value, 1);
      }
      expect(part.isSketch).toBe(false);
      parts.add(part, undefined);
    }
    for (const percent of [1, 50, 99]) expect(parts.quantile(percent)).toBe(read(whole).quantile(percent));
  });
});

describe('MemberCounts', () => {
  const add = (members: MemberCounts, from: number, to: number, net: number): void => {
    for (let n = from; n < to; n++) members.add(n + 1, (n % 7) + 1, net);
  };

  it('is exact up to 10,000, and says its error beyond', () => {
    const members = new MemberCounts(budget);
    add(members, 0, 10_000, 1);
    expect(members.count()).toEqual({ count: 10_000, error: 0 });
    add(members, 10_000, 10_001, 1);
    const { count, error } = members.count();
    expect(error).toBeGreaterThan(0.005);
    expect(error).toBeLessThan(0.015);
    expect(Math.abs(count / 10_001 - 1)).toBeLessThan(4 * error);
  });

  it('of many is the same however it is divided, and what is taken back is gone', () => {
    const [whole, even, odd] = [0, 1, 2].map(() => new MemberCounts(budget)) as [
      MemberCounts,
      MemberCounts,
      MemberCounts,
    ];
    add(whole, 0, 300_000, 1);
    add(even, 100_000, 400_000, 1);
    add(odd, 0, 100_000, 1);
    add(odd, 300_000, 400_000, -1);
    const writer = new ByteWriter();
    odd.write(writer);
    even.addAll(MemberCounts.read(new ByteReader(writer.copy()), budget));
    expect(even.count()).toEqual(whole.count());
    expect(Math.abs(whole.count().count / 300_000 - 1)).toBeLessThan(4 * whole.count().error);
    add(even, 0, 299_990, -1);
    expect(even.isEmpty).toBe(false);
    add(even, 299_990, 300_000, -1);
    expect([even.isEmpty, even.count().count]).toEqual([true, 0]);
  });
});

describe('SlotFinder', () => {
  const minute = fc.integer({ min: 0, max: 120 * 1_440 });
  const from_ms = Date.parse('2025-09-01T00:00:00Z');

  it('finds the stretch that a time lies in', () => {
    const zones = ['UTC', 'Europe/London', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/New_York'];
    const names = ['1h', '1d', '1w', '1M', 'total'] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom(...names),
        fc.boolean(),
        fc.tuple(minute, minute),
        fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 1, maxLength: 30 }),
        (zone, granularity, byDay, [a, b], shares) => {
          const range = {
            start_ms: from_ms + Math.min(a, b) * 60_000,
            end_ms: from_ms + (Math.max(a, b) + 1) * 60_000,
          };
          const buckets = bucketsOf({ range, granularity, zone: zoneOf(zone) });
          const slots = slotsOf(buckets, byDay, range.end_ms);
          const times = Float64Array.from(shares, (share) =>
            Math.floor(range.start_ms + share * (range.end_ms - range.start_ms)),
          );
          const points = new Int32Array(times.length);
          new SlotFinder(slots).addSlots(times, Uint32Array.from(times.keys()), times.length, points);
          for (const [at, slot] of points.entries()) {
            expect(times[at]).toBeGreaterThanOrEqual(slots.edges_ms[slot] as number);
            expect(times[at]).toBeLessThan(slots.edges_ms[slot + 1] as number);
            const bucket = slots.buckets[slot] as number;
            expect(times[at]).toBeGreaterThanOrEqual(buckets.edges_ms[bucket] as number);
            expect(times[at]).toBeLessThan(buckets.edges_ms[bucket + 1] as number);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
