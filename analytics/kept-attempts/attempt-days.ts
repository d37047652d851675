import { ByteReader, ByteWriter, type KvView } from '../../engine/index.ts';
import { daysKey } from './attempt-keys.ts';

const DAY_MS = 86_400_000;

/** How many rows there are of each UTC day of time, by the number of the day. */
export function readDays(table: KvView, id: number): Map<number, number> {
  const days = new Map<number, number>();
  const bytes = table.get(daysKey(id));
  if (bytes === undefined) return days;
  const reader = new ByteReader(bytes);
  for (let day = 0; reader.position < bytes.length; ) {
    day += reader.varint();
    days.set(day, reader.varint());
  }
  return days;
}

export function daysBytes(days: ReadonlyMap<number, number>): Uint8Array {
  const writer = new ByteWriter();
  let before = 0;
  for (const day of [...days.keys()].sort((a, b) => a - b)) {
    writer.varint(day - before).varint(days.get(day) as number);
    before = day;
  }
  return writer.copy();
}

export const dayOf = (time_ms: number): number => Math.floor(time_ms / DAY_MS);
