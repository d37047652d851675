import { ByteReader, ByteWriter } from '../../engine/index.ts';

/** The sums of several queries as one row of bytes, by number. */
export function writeSet(sums: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const writer = new ByteWriter();
  for (const [index, bytes] of sums) writer.varint(index).varint(bytes.length).bytes(bytes);
  return writer.copy();
}

export function readSet(bytes: Uint8Array): Map<number, Uint8Array> {
  const sums = new Map<number, Uint8Array>();
  const reader = new ByteReader(bytes);
  while (reader.position < bytes.length) sums.set(reader.varint(), reader.bytes(reader.varint()));
  return sums;
}
