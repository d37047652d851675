import type { Chunk } from '../../engine/index.ts';
import type { KpiSums } from './kpi-sums.ts';
import type { PointRows } from './point-loops.ts';
import type { ScanSpec } from './row-scan.ts';
import { addKeys, lookUpPairs, type WideCodes, WideColumn } from './row-select.ts';
import type { SlotFinder } from './time-slots.ts';

/** Combinations of a chunk's values that are looked up in a table. */
const MAX_KEYS = 131_072;

/** Finds where rows count: their series and time slots. */
export class RowPlacer {
  readonly #spec: Pick<ScanSpec, 'groups' | 'slots'>;
  readonly #sums: KpiSums;
  readonly #finder: SlotFinder;
  readonly #groupIndexes: readonly WideColumn[];
  readonly #tuple: Int32Array;
  /** Series by combined local indexes, -1 where it is not known yet. */
  #series = new Int32Array(256);

  constructor(spec: Pick<ScanSpec, 'groups' | 'slots'>, sums: KpiSums, finder: SlotFinder) {
    this.#spec = spec;
    this.#sums = sums;
    this.#finder = finder;
    this.#groupIndexes = spec.groups.map(() => new WideColumn());
    this.#tuple = new Int32Array(spec.groups.length);
  }

  /** Writes the point of each row. Throws QueryError `too_many_points`. */
  place(chunk: Chunk, placed: PointRows): void {
    const { rows, points, count } = placed;
    const { slots } = this.#sums.shape;
    const groups = this.#spec.groups.map(({ column }, at) =>
      (this.#groupIndexes[at] as WideColumn).codes(chunk.code(column), chunk.rows),
    );
    let keys = 1;
    for (const { index, values } of groups) if (index !== undefined) keys *= values.length;
    if (keys > MAX_KEYS) this.#findSeries(groups, placed);
    else this.#mapSeries(groups, keys, placed);
    this.#sums.reserve();
    if (slots === 1) return;
    for (let at = 0; at < count; at++) (points[at] as number) *= slots;
    const { edges_ms } = this.#spec.slots;
    const first = this.#finder.slotAt(Math.max(chunk.min_ms, edges_ms[0] as number));
    const last = this.#finder.slotAt(chunk.max_ms);
    if (first !== last) this.#finder.addSlots(chunk.time_ms(), rows, count, points);
    else for (let at = 0; at < count; at++) (points[at] as number) += first;
  }

  /** Series by a table of the combinations of the chunk's values. */
  #mapSeries(groups: readonly WideCodes[], keys: number, { rows, points, count }: PointRows): void {
    if (this.#series.length < keys) this.#series = new Int32Array(keys * 2);
    const series = this.#series;
    series.fill(-1, 0, keys);
    const [first, second, third] = groups.filter(({ index }) => index !== undefined);
    if (first?.index !== undefined && second?.index !== undefined && third === undefined) {
      const stride = first.values.length;
      for (let at = 0; at < count; ) {
        at = lookUpPairs(first.index, second.index, stride, series, rows, at, count, points);
        if (at === count) return;
        const row = rows[at] as number;
        const key = (first.index[row] as number) + (second.index[row] as number) * stride;
        series[key] = this.#resolve(groups, row);
      }
      return;
    }
    points.fill(0, 0, count);
    let stride = 1;
    for (const { index, values } of groups) {
      if (index === undefined) continue;
      addKeys(index, stride, rows, count, points);
      stride *= values.length;
    }
    for (let at = 0; at < count; at++) {
      const key = points[at] as number;
      let found = series[key] as number;
      if (found < 0) {
        found = this.#resolve(groups, rows[at] as number);
        series[key] = found;
      }
      points[at] = found;
    }
  }

  /** Series one row after the other, where the combinations are too many for a table. */
  #findSeries(groups: readonly WideCodes[], { rows, points, count }: PointRows): void {
    for (let at = 0; at < count; at++) points[at] = this.#resolve(groups, rows[at] as number);
  }

  #resolve(groups: readonly WideCodes[], row: number): number {
    const tuple = this.#tuple;
    for (let at = 0; at < groups.length; at++) {
      const { index, values } = groups[at] as WideCodes;
      tuple[at] = values[index === undefined ? 0 : (index[row] as number)] as number;
    }
    return this.#sums.series.find(tuple);
  }
}
