import type { KvView } from '../../engine/index.ts';
import {
  type DeltaEntry,
  distinctOf,
  distributionOf,
  type ExactSum,
  readDelta,
  readDeltaHeader,
  scanRecent,
} from '../../operators/index.ts';
import { M, MEASURES } from '../model.ts';
import type { ScanRequest } from './accumulate.ts';
import { type Accumulator, needsDetail } from './accumulator.ts';
import type { Classify } from './cell-scan.ts';
import { bucketAt } from './time.ts';

interface Observations {
  readonly series: number;
  readonly bucket: number;
  /** By distribution index. */
  readonly observed: (number[] | undefined)[];
  readonly members: number[];
}

/**
 * Adds what newer commits hold and cells do not yet. It comes by minutes, which tile every output
 * bucket, so it goes there directly, whatever cells the plan reads.
 */
export function addRecent(
  { tenant, plan, buckets, needs }: ScanRequest,
  recent: KvView,
  accumulator: Accumulator,
  classify: Classify,
): void {
  const { start_ms, end_ms } = buckets.range;
  const slots = new Int32Array(MEASURES.length).fill(-1);
  for (const [slot, measure] of needs.measures.entries()) slots[M[measure]] = slot;
  const observations = needsDetail(needs) ? new Map<string, Observations>() : undefined;
  const sums = new Array<ExactSum>(needs.measures.length);
  for (const { value } of scanRecent(recent, tenant, plan.cube.name)) {
    const { min_ms, max_ms } = readDeltaHeader(value);
    if (max_ms < start_ms || min_ms >= end_ms) continue;
    for (const entry of readDelta(value, plan.cube.dimensions.length)) {
      if (entry.bucket_ms < start_ms || entry.bucket_ms >= end_ms) continue;
      const series = classify(entry.values, entry.unit);
      if (series < 0) continue;
      const bucket = bucketAt(buckets, entry.bucket_ms);
      sums.fill(0);
      for (let index = 0; index < entry.sums.length; index += 2) {
        const slot = slots[Number(entry.sums[index])] as number;
        if (slot >= 0) sums[slot] = entry.sums[index + 1] as ExactSum;
      }
      accumulator.add(series, bucket, sums, undefined, undefined);
      if (observations !== undefined) observe(observations, series, bucket, entry);
    }
  }
  for (const { series, bucket, observed, members } of observations?.values() ?? []) {
    const distributions = observed.map((values) =>
      values === undefined ? undefined : distributionOf(values),
    );
    accumulator.add(series, bucket, [], { distributions, distinct: distinctOf(members) }, undefined);
  }
}

/** Single observations are summed up at the end: merging sketches one by one costs their size each time. */
function observe(into: Map<string, Observations>, series: number, bucket: number, entry: DeltaEntry): void {
  if (entry.observed.length === 0 && entry.members.length === 0) return;
  const key = `${series} ${bucket}`;
  let found = into.get(key);
  if (found === undefined) {
    found = { series, bucket, observed: [], members: [] };
    into.set(key, found);
  }
  for (let index = 0; index < entry.observed.length; index += 2) {
    const distribution = entry.observed[index] as number;
    const values = found.observed[distribution] ?? [];
    found.observed[distribution] = values;
    values.push(entry.observed[index + 1] as number);
  }
  for (const member of entry.members) found.members.push(member);
}
