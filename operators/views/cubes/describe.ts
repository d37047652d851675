import { ByteReader } from '../../../engine/bytes.ts';
import type { DescribedRow, KvEntry } from '../../../engine/index.ts';
import { wordsOfKey } from './cell-keys.ts';

function placeOf(key: Uint8Array): { scope: string; cube: number; rest: number | undefined } {
  const reader = new ByteReader(key);
  const cube = reader.u32();
  const scope = reader.orderedString();
  return { scope, cube, rest: wordsOfKey(key, key.subarray(0, reader.position), 1)?.[0] };
}

/** A block of cells, by the id of its cube and its first bucket. */
export function describeBlock({ key, value }: KvEntry): DescribedRow {
  const { scope, cube, rest } = placeOf(key);
  return {
    scope,
    key: rest === undefined ? `cube ${cube}` : `cube ${cube} from bucket ${rest}`,
    value: { size_bytes: value.length },
  };
}

export function describeDay({ key, value }: KvEntry): DescribedRow {
  const { scope, cube, rest = 0 } = placeOf(key);
  const reader = new ByteReader(value);
  return {
    scope,
    key: `cube ${cube} on day ${rest}`,
    value: { cells: reader.varint(), refused: reader.varint() },
  };
}
