import { fnv1aOfString, mix32, murmur128 } from '../../operators/index.ts';

/** Room for the UTF-8 of the longest id. */
const ID_BYTES = 128 * 3;
const encoder = new TextEncoder();
const idBytes = new Uint8Array(ID_BYTES);

/** The seed of a tenant's ids: one id is another thing for another tenant. Signed 32 bits. */
export function tenantSeed(tenant: string): number {
  return fnv1aOfString(tenant);
}

/**
 * MurmurHash3 (128 bits) of an id's UTF-8 with its tenant's seed, into `out` as four words. The columns `order`,
 * `customer` and `session` hold words 0 and 1; an event's identity is words 0 to 2.
 */
export function hashId(text: string, seed: number, out: Uint32Array): void {
  const { read, written } = encoder.encodeInto(text, idBytes);
  if (read === text.length) murmur128(idBytes, 0, written, seed, out);
  else {
    const bytes = encoder.encode(text);
    murmur128(bytes, 0, bytes.length, seed, out);
  }
}

/** A hash column's value for an id, as two signed words; both 0 for '', which is no id. */
export function idWords(tenant: string, text: string): { readonly hi: number; readonly lo: number } {
  if (text === '') return { hi: 0, lo: 0 };
  const words = new Uint32Array(4);
  hashId(text, tenantSeed(tenant), words);
  return { hi: hiOf(words), lo: loOf(words) };
}

export function hiOf(words: Uint32Array): number {
  return (words[0] as number) | 0;
}

/** Never 0 beside a `hi` of 0, which stands for "none". */
export function loOf(words: Uint32Array): number {
  return words[0] === 0 && words[1] === 0 ? 1 : (words[1] as number) | 0;
}

/** The column `event`: 31 bits of an event id's hash, from its first word; never 0, which stands for "none". */
export function eventCode(id0: number): number {
  const code = id0 & 0x7fff_ffff;
  return code === 0 ? 1 : code;
}

/** By what a correction of the event with these words is known, of what it says by its hash. */
export function correctionOf(
  { id0, id1, id2 }: { readonly id0: number; readonly id1: number; readonly id2: number },
  payload: number,
): { readonly id0: number; readonly id1: number; readonly id2: number; isNew?: boolean } {
  return {
    id0: id0 ^ mix32(payload),
    id1: id1 ^ mix32(payload + 0x51ed270b),
    id2: id2 ^ mix32(payload + 0x2545f491),
  };
}
