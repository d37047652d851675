import { type CellDetail, mergeSums } from './cube-cell.ts';
import type { DeltaEntry } from './cube-delta.ts';
import { distinctOf } from './distinct.ts';
import { addExact, type ExactSum } from './exact-sum.ts';
import { distributionOf } from './sketch.ts';

/** Sums and observations for one cell, from several delta entries. */
export interface Accumulated {
  readonly bucket_ms: number;
  readonly unit: string;
  readonly values: readonly string[];
  readonly sums: ExactSum[];
  /** Observed values by distribution. */
  readonly observed: (number[] | undefined)[];
  readonly members: number[];
}

/** Identifies a cell within a cube and granularity. */
export function accumulatedKey(bucket_ms: number, unit: string, values: readonly string[]): string {
  return `${bucket_ms}\0${unit}\0${values.join('\0')}`;
}

/** Adds delta entries up by cell of a granularity. */
export function accumulate(
  into: Map<string, Accumulated>,
  entries: Iterable<DeltaEntry>,
  width_ms: number,
  measures: number,
): void {
  for (const entry of entries) {
    const bucket_ms = entry.bucket_ms - (entry.bucket_ms % width_ms);
    const cell = cellOf(into, bucket_ms, entry.unit, entry.values, measures);
    const { sums, observed } = entry;
    for (let index = 0; index < sums.length; index += 2) {
      const measure = Number(sums[index]);
      cell.sums[measure] = addExact(cell.sums[measure] as ExactSum, sums[index + 1] as ExactSum);
    }
    for (let index = 0; index < observed.length; index += 2) {
      const distribution = observed[index] as number;
      const list = cell.observed[distribution];
      if (list === undefined) cell.observed[distribution] = [observed[index + 1] as number];
      else list.push(observed[index + 1] as number);
    }
    if (entry.members.length > 0) cell.members.push(...entry.members);
  }
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
    cell = { bucket_ms, unit, values, sums: new Array<ExactSum>(measures).fill(0), observed: [], members: [] };
    into.set(key, cell);
  }
  return cell;
}

/** Adds one cell's accumulation to the cell of another bucket or other values. */
export function addAccumulated(into: Map<string, Accumulated>, from: Accumulated, bucket_ms: number, values: readonly string[]): void {
  const cell = cellOf(into, bucket_ms, from.unit, values, from.sums.length);
  mergeSums(cell.sums, from.sums);
  for (const [distribution, list] of from.observed.entries()) {
    if (list === undefined) continue;
    const mine = cell.observed[distribution];
    if (mine === undefined) cell.observed[distribution] = list.slice();
    else for (const value of list) mine.push(value);
  }
  for (const member of from.members) cell.members.push(member);
}

/** The observations as a cell's detail; undefined where there are none. */
export function detailOf({ observed, members }: Accumulated, distributions: number): CellDetail | undefined {
  if (observed.length === 0 && members.length === 0) return undefined;
  return {
    distributions: Array.from({ length: distributions }, (_, index) => {
      const list = observed[index];
      return list === undefined ? undefined : distributionOf(list);
    }),
    distinct: distinctOf(members),
  };
}

