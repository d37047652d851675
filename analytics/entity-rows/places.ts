import type { ByteReader, ByteWriter } from '../../engine/index.ts';
import type { EventPlace } from '../events-query/index.ts';

/** Places as bytes: `readPlaces` reads them. */
export function writePlaces(writer: ByteWriter, places: readonly EventPlace[]): void {
  writer.varint(places.length);
  for (const { sequence, part } of places) writer.varint(sequence).varint(part === null ? 0 : part + 1);
}

export function readPlaces(reader: ByteReader): EventPlace[] {
  return Array.from({ length: reader.varint() }, () => {
    const sequence = reader.varint();
    const part = reader.varint();
    return { sequence, part: part === 0 ? null : part - 1 };
  });
}
