/** MurmurHash3_x86_128 (Austin Appleby, public domain), in place into `out` as four unsigned words. */
export function murmur128(
  bytes: Uint8Array,
  start: number,
  end: number,
  seed: number,
  out: Uint32Array,
): void {
  let h1 = seed | 0;
  let h2 = seed | 0;
  let h3 = seed | 0;
  let h4 = seed | 0;
  const length = end - start;
  const blocksEnd = start + (length & ~15);
  let at = start;
  for (; at < blocksEnd; at += 16) {
    h1 ^= Math.imul(rotl(Math.imul(word(bytes, at), C1), 15), C2);
    h1 = (Math.imul((rotl(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotl(Math.imul(word(bytes, at + 4), C2), 16), C3);
    h2 = (Math.imul((rotl(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotl(Math.imul(word(bytes, at + 8), C3), 17), C4);
    h3 = (Math.imul((rotl(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotl(Math.imul(word(bytes, at + 12), C4), 18), C1);
    h4 = (Math.imul((rotl(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  const tail = length & 15;
  if (tail > 12) h4 ^= Math.imul(rotl(Math.imul(partial(bytes, at + 12, end), C4), 18), C1);
  if (tail > 8) h3 ^= Math.imul(rotl(Math.imul(partial(bytes, at + 8, end), C3), 17), C4);
  if (tail > 4) h2 ^= Math.imul(rotl(Math.imul(partial(bytes, at + 4, end), C2), 16), C3);
  if (tail > 0) h1 ^= Math.imul(rotl(Math.imul(partial(bytes, at, end), C1), 15), C2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = mix32(h1);
  h2 = mix32(h2);
  h3 = mix32(h3);
  h4 = mix32(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  out[0] = h1;
  out[1] = h2 + h1;
  out[2] = h3 + h1;
  out[3] = h4 + h1;
}

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

function rotl(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** Up to four bytes, little-endian, zeros past the end. */
function partial(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let index = Math.min(end, at + 4) - 1; index >= at; index--)
    value = (value << 8) | (bytes[index] as number);
  return value;
}

/** Murmur3's finaliser: every bit of the input changes every bit of the result. Signed 32 bits. */
export function mix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

export const FNV_OFFSET = 0x811c9dc5 | 0;
export const FNV_PRIME = 0x01000193;

/** FNV-1a, 32 bits, signed. Simple enough to be run beside a scan. */
export function fnv1a(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = FNV_OFFSET;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
  return hash;
}

const encoder = new TextEncoder();

/** FNV-1a of the string's UTF-8. */
export function fnv1aOfString(text: string): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code > 127) return fnv1a(encoder.encode(text));
    hash = Math.imul(hash ^ code, FNV_PRIME);
  }
  return hash;
}

/** A hash of a safe integer, signed 32 bits. */
export function hashInteger(value: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  return mix32(Math.imul(value | 0, 0x9e3779b1) ^ mix32(high + 0x7f4a7c15));
}

/** A hash of a JSON value that does not depend on the order of its members. Signed 32 bits. */
export function hashJson(value: unknown): number {
  if (typeof value === 'string') return mix32(fnv1aOfString(value) ^ 0x5bd1e995);
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? hashInteger(value) : mix32(fnv1aOfString(String(value)));
  }
  if (Array.isArray(value)) {
    let hash = 0x2545f491;
    for (const item of value) hash = mix32(Math.imul(hash, 31) + hashJson(item));
    return hash;
  }
  if (typeof value === 'object' && value !== null) {
    let hash = 0x1b873593;
    for (const [name, member] of Object.entries(value))
      hash = (hash + hashMember(fnv1aOfString(name), hashJson(member))) | 0;
    return mix32(hash);
  }
  return value === true ? 0x3c6ef372 : value === false ? 0x1f83d9ab : 0x510e527f;
}

/** What one member adds to the order-free hash of its object. */
export function hashMember(nameHash: number, valueHash: number): number {
  return mix32(Math.imul(nameHash, 0x9e3779b1) ^ valueHash);
}

/** The first 53 bits of a 128-bit hash as a number. */
export function hash53(out: Uint32Array): number {
  return (out[0] as number) * 0x20_0000 + ((out[1] as number) >>> 11);
}
