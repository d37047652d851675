import { SeededRandom } from '../../index.ts';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Randomness of one thing: a function of the seed and its name alone. So what a day brings does not depend on which
 * other days are generated. The hash is FNV-1a, 32 bits.
 */
export function chanceOf(seed: number, name: string): SeededRandom {
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(`${seed}/${name}`)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return new SeededRandom(hash);
}

/** One of these by their weights. */
export function weighted<T extends { readonly weight: number }>(
  random: SeededRandom,
  choices: readonly T[],
): T {
  const all = choices.reduce((sum, { weight }) => sum + weight, 0);
  let at = random.int(0, all - 1);
  const found = choices.find(({ weight }) => {
    at -= weight;
    return at < 0;
  });
  if (found === undefined) throw new RangeError('there is nothing to choose from');
  return found;
}
