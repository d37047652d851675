import { type CellDetail, emptyDetail, mergeDetail, mergeSums } from './cube-cell.ts';
import type { DeltaEntry } from './cube-delta.ts';
import { distinctOf, EMPTY_DISTINCT } from './distinct.ts';
import { addExact, type ExactSum } from './exact-sum.ts';
import { distributionOf } from './sketch.ts';

/** What several delta entries add to one cell. */
export interface Accumulated {
  readonly bucket_ms: number;
  readonly unit: string;
  readonly values: readonly string[];
  readonly sums: ExactSum[];
  /** Observed values by distribution, and distinct members, not summed up yet. */
  readonly observed: (number[] | undefined)[];
  readonly members: number[];
  /** What was summed up of observations. */
  detail: CellDetail | undefined;
}

/** Identifies a cell within a cube and granularity. */
export function accumulatedKey(bucket_ms: number, unit: string, values: readonly string[]): string {
  // Lengths keep apart what holds the separator itself.
  let key = `${bucket_ms} ${unit.length} ${unit}`;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as string;
    key += ` ${value.length} ${value}`;
  }
  return key;
}

/** Adds delta entries up by cell of a granularity. */
export function accumulate(
  into: Map<string, Accumulated>,
  entries: Iterable<DeltaEntry>,
  width_ms: number,
  measures: number,
): void {
  for (const entry of entries) accumulateEntry(into, entry, width_ms, measures);
}

/** Adds one delta entry to its cell of buckets `width_ms` wide. */
export function accumulateEntry(
  into: Map<string, Accumulated>,
  entry: DeltaEntry,
  width_ms: number,
  measures: number,
): void {
  const bucket_ms = entry.bucket_ms - (entry.bucket_ms % width_ms);
  const cell = cellOf(into, bucket_ms, entry.unit, entry.values, measures);
  const { sums, observed, members } = entry;
  for (let index = 0; index < sums.length; index += 2) {
    const measure = sums[index] as number;
    cell.sums[measure] = addExact(cell.sums[measure] as ExactSum, sums[index + 1] as ExactSum);
  }
  for (let index = 0; index < observed.length; index += 2) {
    const distribution = observed[index] as number;
    const list = cell.observed[distribution];
    if (list === undefined) cell.observed[distribution] = [observed[index + 1] as number];
    else list.push(observed[index + 1] as number);
  }
  for (let index = 0; index < members.length; index++) cell.members.push(members[index] as number);
}

function cellOf(
  into: Map<string, Accumulated>,
  bucket_ms: number,
  unit: string,
  values: readonly string[],
  measures: number,
): Accumulated {
  const key = accumulatedKey(bucket_ms, unit, values);
  let cell = into.get(key);
  if (cell === undefined) {
    const sums = new Array<ExactSum>(measures).fill(0);
    cell = { bucket_ms, unit, values, sums, observed: [], members: [], detail: undefined };
    into.set(key, cell);
  }
  return cell;
}

/** Adds one cell to the cell of another bucket or other values; observations as what they sum up to. */
export function addAccumulated(
  into: Map<string, Accumulated>,
  from: Accumulated,
  bucket_ms: number,
  values: readonly string[],
): void {
  const cell = cellOf(into, bucket_ms, from.unit, values, from.sums.length);
  mergeSums(cell.sums, from.sums);
  const detail = detailOf(from);
  if (detail === undefined) return;
  cell.detail ??= emptyDetail();
  mergeDetail(cell.detail, detail);
}

/** The observations as a cell's detail; undefined where there are none. */
export function detailOf(cell: Accumulated): CellDetail | undefined {
  const { observed, members } = cell;
  if (observed.length === 0 && members.length === 0) return cell.detail;
  const fresh: CellDetail = {
    distributions: observed.map((list) => (list === undefined ? undefined : distributionOf(list))),
    distinct: members.length === 0 ? EMPTY_DISTINCT : distinctOf(members),
  };
  observed.length = 0;
  members.length = 0;
  if (cell.detail === undefined) cell.detail = fresh;
  else mergeDetail(cell.detail, fresh);
  return cell.detail;
}
