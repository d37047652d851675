import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ID_WORDS, RecentIds } from './recent-ids.ts';

describe('RecentIds', () => {
  it('is a map, whatever is added, looked up and removed', () => {
    // Few first words, so that entries crowd the same slots.
    const id = fc.tuple(
      fc.constantFrom(0, 1, 65_535, 65_536, 0xffff_ffff),
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 2 }),
    );
    const step = fc.record({
      kind: fc.oneof(
        { weight: 6, arbitrary: fc.constant('add' as const) },
        { weight: 3, arbitrary: fc.constant('find' as const) },
        { weight: 3, arbitrary: fc.constant('remove' as const) },
      ),
      id,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const ids = new RecentIds();
        const model = new Map<string, number>();
        for (const [index, { kind, id: words }] of steps.entries()) {
          const key = words.join();
          const [id0, id1, id2] = words;
          if (kind === 'remove' && model.delete(key)) ids.remove(id0, id1, id2);
          if (kind === 'add' && ids.find(id0, id1, id2) < 0) {
            ids.addMissed(id0, id1, id2, index);
            model.set(key, index);
          }
          expect(ids.find(id0, id1, id2)).toBe(model.get(key) ?? -1);
          expect(ids.size).toBe(model.size);
        }
        for (const [key, payload] of model) {
          const [id0, id1, id2] = key.split(',').map(Number) as [number, number, number];
          expect(ids.find(id0, id1, id2)).toBe(payload);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('grows part by part to less than 33 bytes an id, with and without room made before, and shrinks', () => {
    const count = 200_000;
    const word = (index: number): number => Math.imul(index + 1, 0x85eb_ca6b) ^ (index >>> 3);
    for (const reserved of [0, count]) {
      const ids = new RecentIds();
      ids.reserve(reserved);
      const before = ids.memory_bytes;
      for (let index = 0; index < count; index++) ids.add(word(index), index, 7, index);
      if (reserved > 0) expect(ids.memory_bytes).toBe(before);
      expect(ids.memory_bytes / count).toBeLessThan(33);
      for (let index = 0; index < count; index += 97) expect(ids.find(word(index), index, 7)).toBe(index);
      expect(ids.find(word(5), 5, 8)).toBe(-1);
      for (let index = 0; index < 180_000; index++) ids.remove(word(index), index, 7);
      expect(ids.size).toBe(20_000);
      expect(ids.memory_bytes / 20_000).toBeLessThan(70);
      for (let index = 0; index < count; index += 97)
        expect(ids.find(word(index), index, 7)).toBe(index < 180_000 ? -1 : index);
    }
  });

  it('gives payloads unsigned', () => {
    const ids = new RecentIds();
    ids.add(1, 2, 3, -1);
    ids.add(0, 0, 0, -2);
    expect([ids.find(1, 2, 3), ids.find(0, 0, 0), ids.find(0, 0, 1)]).toEqual([0xffff_ffff, 0xffff_fffe, -1]);
    expect(ID_WORDS).toBe(5);
  });
});
