import { expect, it } from 'vitest';
import { type SeededRandom, simulateSeeds } from '../../index.ts';
import { wordCount } from './topology.ts';

const START_MS = Date.UTC(2025, 0, 1);
const WORDS = ['the', 'cat', 'sat', 'on', 'a', 'mat'];
const timeOf = ({ data }: { readonly data: Uint8Array }): number =>
  (JSON.parse(Buffer.from(data).toString()) as { readonly at: number }).at;

/** Sentences of three minutes. */
function sentences(_: number, random: SeededRandom) {
  return Array.from({ length: 120 }, (__, index) => {
    const text = Array.from({ length: random.int(1, 5) }, () => random.pick(WORDS)).join(' ');
    const at = START_MS + index * 1_500;
    return { subject: 'sentences.test', data: Buffer.from(JSON.stringify({ text, at })) };
  });
}

it('counts the same through disorder, crashes and restores', async () => {
  const report = await simulateSeeds({
    topology: () => wordCount,
    generate: sentences,
    disorder: { timeOf, max_ms: 2_000 },
    duplicates: 0,
    seeds: 50,
  });
  expect(report.failure).toBeUndefined();
  expect(report.crashes).toBeGreaterThan(0);
});
