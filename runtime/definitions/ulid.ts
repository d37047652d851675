import { randomBytes } from 'node:crypto';

/** So many random bytes. */
export type RandomBytes = (count: number) => Uint8Array;

/** The randomness of the machine. */
export const systemRandom: RandomBytes = randomBytes;

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 16;
const RANDOM_BYTES = 10;

/** A ULID (github.com/ulid/spec): 48 bits of time and 80 random ones in Crockford's base 32. */
export function ulid(time_ms: number, random: RandomBytes): string {
  let value = BigInt(Math.max(0, Math.floor(time_ms)));
  for (const byte of random(RANDOM_BYTES).subarray(0, RANDOM_BYTES)) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (let digit = 0; digit < TIME_DIGITS + RANDOM_DIGITS; digit++) {
    text = ALPHABET.charAt(Number(value & 31n)) + text;
    value >>= 5n;
  }
  return text;
}
