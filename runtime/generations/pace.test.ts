import { performance } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { threadCpuClock } from './background.ts';
import { Pace, Pacer } from './pace.ts';

/** Uses so much of the CPU, however long others have it meanwhile. */
function spin(ms: number): void {
  const cpu = threadCpuClock();
  const until_ms = cpu() + ms;
  while (cpu() < until_ms);
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

it('has rested already while it waited or others had the CPU, and saves nothing of that up', async () => {
  const shared = new SharedArrayBuffer(4);
  new Int32Array(shared)[0] = 250;
  let cpu_ms = 0;
  const pacer = new Pacer(shared, () => cpu_ms);
  const fail = (): never => {
    throw new Error('it rests');
  };
  await new Promise((resolve) => setTimeout(resolve, 100));
  cpu_ms += 10;
  await pacer.rest(fail);
  cpu_ms += 1_000_000;
  await expect(pacer.rest(fail)).rejects.toThrow('it rests');
});

it('reads the CPU time of its thread, which stands still while the thread does', () => {
  const began_ms = performance.now();
  const [cpu, active] = [threadCpuClock(), threadCpuClock('/nowhere')];
  const [cpu_ms, active_ms] = [cpu(), active()];
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  spin(10);
  expect(active() - active_ms).toBeGreaterThanOrEqual(10);
  const used_ms = cpu() - cpu_ms;
  expect(used_ms).toBeGreaterThanOrEqual(10);
  if (process.platform === 'linux') expect(used_ms).toBeLessThan(performance.now() - began_ms - 290);
});
