import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../base/index.ts';
import { Filter } from './filter.ts';

const random = new SeededRandom(7);
const word = (): number => random.int(0, 0xffff_ffff) | 0;

function falseShare(filter: Filter): number {
  let wrong = 0;
  for (let count = 0; count < 20_000; count++) if (filter.has(word(), word())) wrong++;
  return wrong / 20_000;
}

describe('Filter', () => {
  it('knows every key, as well folded and read back, and few others', () => {
    for (const keys of [1, 100, 5_000, 200_000]) {
      const wide = Filter.for(keys * 3);
      const hi = Int32Array.from({ length: keys }, word);
      const lo = Int32Array.from({ length: keys }, word);
      for (let key = 0; key < keys; key++) wide.add(hi[key] as number, lo[key] as number);
      const folded = wide.fold(keys);
      const bytes = new Uint8Array(folded.words.buffer);
      const read = Filter.fromBytes([bytes.subarray(0, 32), bytes.subarray(32)]);
      if (keys > 100) expect(folded.words.length).toBeLessThanOrEqual(wide.words.length / 2);
      for (const filter of [wide, folded, read]) {
        let missing = 0;
        for (let key = 0; key < keys; key++) if (!filter.has(hi[key] as number, lo[key] as number)) missing++;
        expect(missing).toBe(0);
        expect(falseShare(filter)).toBeLessThan(0.01);
      }
    }
  });

  it('takes about 10 bits a key of many, and says yes to 1 of 60 others at most', () => {
    const keys = 1_100_000;
    const filter = Filter.for(keys);
    expect((filter.words.length * 32) / keys).toBeLessThan(10.1);
    for (let key = 0; key < keys; key++) filter.add(word(), word());
    expect(falseShare(filter)).toBeLessThan(0.016);
  });
});
