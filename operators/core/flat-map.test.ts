import { describe, expect, it } from 'vitest';
import { Pipeline } from '../fixture-pipeline.ts';
import { flatMap } from './flat-map.ts';

describe('flatMap', () => {
  it('gives each item as any number of others, in order', async () => {
    const pipeline = await Pipeline.start<number, string>((input) =>
      input.pipe(
        flatMap<number, string>('repeat', {
          each: (count, push) => {
            for (let left = count; left > 0; left--) push(`${count}`);
          },
        }),
      ),
    );
    await pipeline.push(2, 0, 1);
    await pipeline.push();
    await pipeline.push(0);
    expect(pipeline.out).toEqual(['2', '2', '1']);
  });
});
