import type { KvView } from '../../engine/index.ts';
import {
  type Combination,
  DeltaReader,
  type DetailVisitor,
  distinctOf,
  distributionOf,
  type ExactSum,
  readDeltaHeader,
  scanRecent,
} from '../../operators/index.ts';
import { M, MEASURES } from '../model/index.ts';
import type { ScanRequest } from './accumulate.ts';
import { type Accumulator, needsDetail } from './accumulator.ts';
import type { Classify } from './cell-scan.ts';
import { bucketAt } from './time.ts';

interface Observations {
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
  const sums = new Array<ExactSum>(needs.measures.length).fill(0);
  const isInside = (time_ms: number): boolean => time_ms >= start_ms && time_ms < end_ms;
  // Entries of one minute lie together: its bucket is looked up once.
  let last_ms = -1;
  let lastBucket = -1;
  const bucketOf = (time_ms: number): number => {
    if (time_ms === last_ms) return lastBucket;
    last_ms = time_ms;
    lastBucket = isInside(time_ms) ? bucketAt(buckets, time_ms) : -1;
    return lastBucket;
  };
  const observations = needsDetail(needs) ? new ObservationLists(bucketOf, buckets.length) : undefined;
  for (const { value } of scanRecent(recent, tenant, plan.cube.name)) {
    const { min_ms, max_ms } = readDeltaHeader(value);
    if (max_ms < start_ms || min_ms >= end_ms) continue;
    const delta = new DeltaReader(value, plan.cube.dimensions.length);
    const seriesOf = seriesByCombination(delta, classify);
    delta.visitSums(slots, sums, (combination, time_ms) => {
      const bucket = bucketOf(time_ms);
      const series = bucket < 0 ? -1 : seriesOf(combination);
      if (series >= 0) accumulator.add(series, bucket, sums, undefined, undefined);
    });
    if (observations !== undefined) delta.visitDetails(observations.visitor(seriesOf));
  }
  observations?.addTo(accumulator);
}

const UNKNOWN = -2;

/** Asked for once a combination, and only for those with entries in the range. */
function seriesByCombination(
  { combinations }: DeltaReader,
  classify: Classify,
): (combination: number) => number {
  const known = new Int32Array(combinations.length).fill(UNKNOWN);
  return (combination) => {
    let series = known[combination] as number;
    if (series === UNKNOWN) {
      const { values, unit } = combinations[combination] as Combination;
      series = classify(values, unit);
      known[combination] = series;
    }
    return series;
  };
}

/** Single observations are summed up at the end: merging sketches one by one costs their size each time. */
class ObservationLists {
  readonly #bucketOf: (time_ms: number) => number;
  readonly #buckets: number;
  /** By series × buckets + bucket. */
  readonly #lists = new Map<number, Observations>();

  constructor(bucketOf: (time_ms: number) => number, buckets: number) {
    this.#bucketOf = bucketOf;
    this.#buckets = buckets;
  }

  #at(combination: number, time_ms: number, seriesOf: (at: number) => number): Observations | undefined {
    const bucket = this.#bucketOf(time_ms);
    const series = bucket < 0 ? -1 : seriesOf(combination);
    if (series < 0) return undefined;
    const point = series * this.#buckets + bucket;
    let found = this.#lists.get(point);
    if (found === undefined) {
      found = { observed: [], members: [] };
      this.#lists.set(point, found);
    }
    return found;
  }

  visitor(seriesOf: (combination: number) => number): DetailVisitor {
    return {
      observed: (combination, time_ms, distribution, value) => {
        const lists = this.#at(combination, time_ms, seriesOf);
        if (lists === undefined) return;
        const values = lists.observed[distribution] ?? [];
        lists.observed[distribution] = values;
        values.push(value);
      },
      member: (combination, time_ms, hash) => {
        this.#at(combination, time_ms, seriesOf)?.members.push(hash);
      },
    };
  }

  addTo(accumulator: Accumulator): void {
    for (const [point, { observed, members }] of this.#lists) {
      const distributions = Array.from(observed, (values) =>
        values === undefined ? undefined : distributionOf(values),
      );
      const bucket = point % this.#buckets;
      const detail = { distributions, distinct: distinctOf(members) };
      accumulator.add((point - bucket) / this.#buckets, bucket, [], detail, undefined);
    }
  }
}
