import { ByteWriter, type KvView } from '../../engine/index.ts';
import { type Granularity, MINUTE_MS, writeCellPrefix } from '../../operators/index.ts';
import { GRANULARITIES } from '../model/index.ts';
import type { QueryPlan } from '../query/index.ts';

/** Rows that an estimate reads, over all segments. */
const MAX_SAMPLED_ROWS = 2_000;

/**
 * About how many cells a plan reads: exact while they are few, else from the density at the start of
 * each segment. Reads at most MAX_SAMPLED_ROWS rows, and one for each segment.
 */
export function estimateCells(cells: KvView, scope: string, { cube, segments }: QueryPlan): number {
  let estimate = 0;
  let left = MAX_SAMPLED_ROWS;
  for (const [index, { granularity, start_ms, end_ms }] of segments.entries()) {
    const prefix = writeCellPrefix(new ByteWriter(), scope, cube.name, granularity).copy();
    const bound = (time_ms: number): Uint8Array =>
      new ByteWriter()
        .bytes(prefix)
        .u32(time_ms / MINUTE_MS)
        .copy();
    const limit = Math.max(1, Math.floor(left / (segments.length - index)));
    let rows = 0;
    let last_ms = start_ms;
    for (const { key } of cells.scan({ start: bound(start_ms), end: bound(end_ms), limit })) {
      rows++;
      const bytes = Buffer.from(key.buffer, key.byteOffset, key.byteLength);
      last_ms = bytes.readUInt32BE(prefix.length) * MINUTE_MS;
    }
    left = Math.max(0, left - rows);
    const { bucket_ms } = GRANULARITIES[granularity] as Granularity;
    // The last bucket seen may be cut by the sample, so its share of time is not counted.
    const seen_ms = Math.max(bucket_ms, last_ms - start_ms);
    estimate += rows < limit ? rows : Math.max(rows, Math.round((rows / seen_ms) * (end_ms - start_ms)));
  }
  return estimate;
}
