import { ByteWriter } from '../../../engine/bytes.ts';

const BIAS = 2 ** 31;
/** Above every key of a scope: no bucket's first byte is so high. */
const ABOVE = Uint8Array.of(0xff);

/** What the keys of a cube's blocks in one scope begin with. The block that begins with it alone is the first. */
export function scopePrefix(cube: number, scope: string): Uint8Array {
  return Uint8Array.from(new ByteWriter().u32(cube).orderedString(scope).view());
}

export function prefixRange(prefix: Uint8Array): { start: Uint8Array; end: Uint8Array } {
  return { start: prefix, end: Buffer.concat([prefix, ABOVE]) };
}

/** Key of a block whose first cell has these words (bucket, currency, dimension codes): sorts as the words do. */
export function blockKey(prefix: Uint8Array, words: Int32Array, at: number, count: number): Uint8Array {
  const writer = new ByteWriter().bytes(prefix);
  writer.u32((words[at] as number) + BIAS);
  for (let word = 1; word < count; word++) writer.u32(words[at + word] as number);
  return writer.copy();
}

/** The first key of a bucket. */
export function bucketKey(prefix: Uint8Array, bucket: number): Uint8Array {
  return new ByteWriter()
    .bytes(prefix)
    .u32(bucket + BIAS)
    .copy();
}

/** The words of a block's key; none for the first block of a scope. */
export function wordsOfKey(key: Uint8Array, prefix: Uint8Array, count: number): Int32Array | undefined {
  if (key.length === prefix.length) return undefined;
  const view = new DataView(key.buffer, key.byteOffset + prefix.length, key.length - prefix.length);
  const words = new Int32Array(count);
  words[0] = view.getUint32(0) - BIAS;
  for (let word = 1; word < count; word++) words[word] = view.getInt32(word * 4);
  return words;
}
