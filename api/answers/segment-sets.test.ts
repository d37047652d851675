import { describe, expect, it } from 'vitest';
import { SegmentSets } from './segment-sets.ts';

const keyOf = (n: number) => ({
  ...{ tenant: 'acme', generation: 1, position: { EVENTS: { 0: n } }, retention: [0, null] as const },
  query: { rule: { measure: 'orders', gt: 1 } as const, start: 'a', end: 'b' },
});
const set = (customers: number): SharedArrayBuffer => new SharedArrayBuffer(8 * customers);

describe('sets of customers', () => {
  it('take no more than their limit: those not used for longest go, and a larger one is not kept', () => {
    const sets = new SegmentSets(3 * (8 * 100 + 256));
    const size = (): number =>
      sets.samples().find(({ name }) => name === 'millrace.segment_sets.size')?.value as number;
    for (const n of [1, 2, 3]) sets.put(keyOf(n), set(100));
    const full = size();
    expect(sets.get(keyOf(1))?.byteLength).toBe(800);
    sets.put(keyOf(4), set(100));
    expect([1, 2, 3, 4].map((n) => sets.get(keyOf(n)) !== undefined)).toEqual([true, false, true, true]);
    sets.put(keyOf(5), set(10_000));
    expect(sets.get(keyOf(5))).toBeUndefined();
    sets.put(keyOf(4), set(100));
    expect(size()).toBe(full);
  });
});
