import { ByteReader, ByteWriter, type KvRange, type KvTable } from '../../engine/index.ts';

/** Keys of a definition's rows: its id, then the time from which a block is. */
const ID_BYTES = 4;
const TIME_BYTES = 6;
const MAX_TIME_MS = 2 ** (8 * TIME_BYTES) - 1;

const writer = new ByteWriter();

export function blockKey(id: number, time_ms: number): Uint8Array {
  return writer
    .reset()
    .u32(id)
    .u48(Math.min(Math.max(time_ms, 0), MAX_TIME_MS))
    .copy();
}

/** Behind all blocks: how many rows there are of each day. */
export const daysKey = (id: number): Uint8Array => blockKey(id, MAX_TIME_MS);

/** Blocks whose keys are in [from_ms, until_ms). */
export function blockRange(
  id: number,
  from_ms = 0,
  until_ms = MAX_TIME_MS,
): Required<Pick<KvRange, 'start' | 'end'>> {
  return { start: blockKey(id, from_ms), end: blockKey(id, until_ms) };
}

export function timeOfKey(key: Uint8Array): number {
  return new ByteReader(key.subarray(ID_BYTES)).u48();
}

/** Inside a commit: removes all that is stored of a definition. */
export function clearAttempts(table: KvTable, id: number): void {
  table.removeRange({ start: blockKey(id, 0), end: blockKey(id + 1, 0) });
}
