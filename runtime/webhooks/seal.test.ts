import { expect, it } from 'vitest';
import { Seal } from './seal.ts';

const seal = new Seal(Buffer.alloc(32, 1));

it('hides a text, gives it back to its tenant, and to nobody with another key', () => {
  const sealed = seal.seal('a', 'whsec_secret');
  expect(sealed).not.toContain('secret');
  expect(seal.seal('a', 'whsec_secret')).not.toBe(sealed);
  expect(seal.open('a', sealed)).toBe('whsec_secret');
  expect(seal.open('b', sealed)).toBeUndefined();
  expect(new Seal(Buffer.alloc(32, 2)).open('a', sealed)).toBeUndefined();
  for (const damaged of [
    '',
    'v1.',
    'v1.AAAA',
    sealed.slice(0, -4),
    `${sealed.slice(0, 20)}x${sealed.slice(21)}`,
  ]) {
    expect(seal.open('a', damaged)).toBeUndefined();
  }
});
