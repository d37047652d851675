import { textTest } from '../filters/index.ts';
import { type KpiSums, SlotFinder } from '../row-sums/index.ts';
import { M, type Measure } from '../rows/index.ts';
import type { CubeStretch } from './cube-tiling.ts';
import type { Prepared } from './prepare.ts';
import type { KpiSources } from './sources.ts';

/** Adds the cells of a stretch up. Series have dictionary codes, as those of scans. */
export function addCells(sources: KpiSources, stretch: CubeStretch, prepared: Prepared, sums: KpiSums): void {
  const { cube, start_ms, end_ms } = stretch;
  const { slots, seriesBy, filters } = prepared;
  const { dimensions } = cube.info;
  const { dictionary } = sources;
  const measures = Int32Array.from(prepared.measures, (measure) => M[measure as Measure]);
  // -1 is the currency, which every cell has.
  const groups = seriesBy.map((dimension) => dimensions.indexOf(dimension));
  const tests = filters.map((filter) => ({
    at: dimensions.indexOf(filter.dimension),
    accepts: memoized(textTest(filter), (code) => dictionary.textOf(code)),
  }));
  const finder = new SlotFinder(slots);
  const tuple = new Int32Array(groups.length);
  sources.scanCells(cube, start_ms, end_ms, (bucket_ms, codes, currency, cell) => {
    const codeAt = (at: number): number => (at < 0 ? currency : (codes[at] as number));
    for (const { at, accepts } of tests) if (!accepts(codeAt(at))) return;
    for (let at = 0; at < groups.length; at++) tuple[at] = codeAt(groups[at] as number);
    const series = sums.series.find(tuple);
    sums.reserve();
    const point = series * sums.shape.slots + finder.slotAt(bucket_ms);
    for (let column = 0; column < measures.length; column++) {
      const measure = measures[column] as number;
      const sum = cell.wide.get(measure) ?? (cell.sums[measure] as number);
      if (sum !== 0) sums.columns[column]?.add(point, sum);
    }
  });
}

/** Each code is looked up once: many cells have the same values. */
function memoized(
  test: (text: string) => boolean,
  textOf: (code: number) => string,
): (code: number) => boolean {
  const known = new Map<number, boolean>();
  return (code) => {
    let accepted = known.get(code);
    if (accepted === undefined) {
      accepted = test(textOf(code));
      known.set(code, accepted);
    }
    return accepted;
  };
}
