import type { DescribedRow, KvEntry } from '../state/index.ts';
import { parseKey, SCOPE_KEY } from './layout.ts';
import { decodeManifest, decodeScope, rowsOf } from './manifest.ts';

function dayName(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10);
}

/** A row of the table of segments as people can read it. */
export function describeLogSegment({ key, value }: KvEntry): DescribedRow {
  if (key[0] !== SCOPE_KEY) return { key: 'schema', value: { bytes: value.length } };
  const { scope, order, id } = parseKey(key);
  if (order === undefined) return { scope, key: 'cut', value: dayName(decodeScope(value).firstDay) };
  const manifest = decodeManifest(value);
  const { chunks, days } = manifest;
  return {
    scope,
    key: `segment ${id}`,
    value: {
      rows: rowsOf(manifest),
      chunks: chunks.length,
      bytes: chunks.reduce((sum, { bytes }) => sum + bytes, 0),
      first_day: dayName(days[0]?.day ?? 0),
      last_day: dayName(days.at(-1)?.day ?? 0),
    },
  };
}

/** A row of the table of chunks as people can read it. */
export function describeLogChunk({ key, value }: KvEntry): DescribedRow {
  const { scope, id } = parseKey(key);
  return {
    scope,
    key: `segment ${id}, ${Buffer.from(key.slice(-4)).toString('hex')}`,
    value: { bytes: value.length },
  };
}
