import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ID_WORDS, RecentIds } from './recent-ids.ts';

describe('RecentIds', () => {
  it('is a map with the oldest forgotten first, whatever is added, looked up and forgotten', () => {
    // Few first words, so that entries crowd the same slots.
    const id = fc.tuple(
      fc.constantFrom(0, 1, 65_535, 65_536, 0xffff_ffff),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 2 }),
    );
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('add' as const), id, count: fc.constant(0) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('find' as const), id, count: fc.constant(0) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('forget' as const),
          id,
          count: fc.integer({ min: 1, max: 9 }),
        }),
      },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 150 }),
        fc.constantFrom(0, 65_530, 0xffff_fff0, 2 ** 40),
        (steps, first) => {
          const ids = new RecentIds();
          ids.startAt(first);
          const model = new Map<string, number>();
          for (const [index, { kind, id: words, count }] of steps.entries()) {
            const key = words.join();
            const [id0, id1, id2] = words;
            if (kind === 'forget') {
              const keys = [...model.keys()].slice(0, count);
              ids.forget(Math.min(ids.first + count, ids.next));
              for (const gone of keys) model.delete(gone);
            } else if (kind === 'add' && !model.has(key)) {
              ids.add(id0, id1, id2, index, index);
              model.set(key, index);
            }
            expect(ids.find(id0, id1, id2)).toBe(model.get(key) ?? -1);
            expect(ids.size).toBe(model.size);
          }
          for (const [key, payload] of model) {
            const [id0, id1, id2] = key.split(',').map(Number) as [number, number, number];
            expect(ids.find(id0, id1, id2)).toBe(payload);
          }
          const words = ids.copy(ids.first, ids.next);
          expect([...model.values()]).toEqual(
            [...model.keys()].map((_, index) => words[index * ID_WORDS + 3]),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('grows beyond its first index and over chunks, and lets memory of forgotten chunks go', () => {
    const ids = new RecentIds();
    const count = 200_000;
    const word = (index: number): number => Math.imul(index, 0x9e3779b1) >>> 0;
    for (let index = 0; index < count; index++) ids.add(word(index), index, 7, index, index);
    const full = ids.memory_bytes;
    for (let index = 0; index < count; index += 97) expect(ids.find(word(index), index, 7)).toBe(index);
    expect(ids.find(word(5), 5, 8)).toBe(-1);
    ids.forget(150_000);
    expect(ids.memory_bytes).toBeLessThan(full);
    expect([ids.first, ids.next, ids.size]).toEqual([150_000, count, 50_000]);
    for (let index = 0; index < count; index += 97) {
      expect(ids.find(word(index), index, 7)).toBe(index < 150_000 ? -1 : index);
    }
  });
});
