import { describe, expect, it } from 'vitest';
import { type Stream, TestDriver } from '../../engine/index.ts';
import { sample } from './sample.ts';

interface Hit {
  readonly session: string;
  readonly page: number;
}

const at = (rate: number) => (input: Stream<Hit>) =>
  input.pipe(sample<Hit>('sample', { rate, idOf: ({ session }) => session }));
const hits = Array.from({ length: 20_000 }, (_, n) => ({ session: `s${n % 10_000}`, page: n }));

async function sampled(rate: number): Promise<Hit[]> {
  const driver = await TestDriver.start(at(rate));
  await driver.push(...hits);
  expect(driver.counter('millrace.sample.dropped')).toBe(hits.length - driver.out.length);
  return driver.out;
}

describe('sample', () => {
  it('passes on about its rate, whole sessions, and the same ones always', async () => {
    const once = await sampled(0.1);
    expect(Math.abs(once.length / hits.length - 0.1)).toBeLessThan(0.01);
    const sessions = new Set(once.map(({ session }) => session));
    expect(once).toEqual(hits.filter(({ session }) => sessions.has(session)));
    expect(await sampled(0.1)).toEqual(once);
  });

  it('a smaller sample is part of a larger one', async () => {
    const large = new Set((await sampled(0.5)).map(({ page }) => page));
    for (const { page } of await sampled(0.2)) expect(large.has(page)).toBe(true);
  });

  it('0 is nothing and 1 is everything', async () => {
    expect(await sampled(0)).toEqual([]);
    expect(await sampled(1)).toEqual(hits);
  });

  it('refuses a rate that is none', () => {
    for (const rate of [-0.1, 1.1, Number.NaN]) {
      expect(() => sample<Hit>('x', { rate, idOf: ({ session }) => session })).toThrow('0 to 1');
    }
  });
});
