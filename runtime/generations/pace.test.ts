import { performance } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { Pace, Pacer } from './pace.ts';

function spin(ms: number): void {
  const until_ms = performance.now() + ms;
  while (performance.now() < until_ms);
}

it('a build has its share while events or requests come in, and a whole core otherwise', () => {
  let applied = 0;
  let head = 0;
  const pace = new Pace(0.25, { applied: () => applied, head: () => head });
  expect(pace.share).toBe(0.25);
  pace.look(10_000, 0);
  expect(pace.share).toBe(1);
  applied = 10;
  pace.look(20_000, 0);
  expect(pace.share).toBe(0.25);
  pace.look(30_000, 0);
  expect(pace.share).toBe(1);
  head = 11;
  pace.look(40_000, 0);
  expect(pace.share).toBe(0.25);
  applied = 11;
  pace.look(50_000, 0);
  pace.look(60_000, 0.5);
  expect(pace.share).toBe(0.25);
});

it('rests three times as long as it works with a quarter of a core, and gives up at once', async () => {
  const shared = new SharedArrayBuffer(4);
  new Int32Array(shared)[0] = 250;
  const pacer = new Pacer(shared);
  const started_ms = performance.now();
  await new Promise((resolve) => setImmediate(resolve));
  spin(40);
  await pacer.rest(() => undefined);
  expect(performance.now() - started_ms).toBeGreaterThan(40 * 3.5);
  await new Promise((resolve) => setImmediate(resolve));
  spin(40);
  await expect(
    pacer.rest(() => {
      throw new Error('enough');
    }),
  ).rejects.toThrow('enough');
});
