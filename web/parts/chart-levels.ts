import type uPlot from 'uplot';

/** Columns with fewer points are drawn as they are. */
export const FEW_POINTS = 1_500;
/** How many times as coarse each level is. */
const COARSER = 4;
/** Points that are drawn for each px of width: more are not seen. */
const POINTS_PER_PX = 1.5;

type Column = readonly (number | null | undefined)[];

/** The least and the greatest of each block, in the order in which they came: no peak is lost. */
function coarser(column: Column, step: number): (number | null)[] {
  const made: (number | null)[] = [];
  for (let begin = 0; begin < column.length; begin += step) {
    let [low_at, high_at] = [-1, -1];
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const end = Math.min(begin + step, column.length);
    for (let at = begin; at < end; at++) {
      const value = column[at];
      if (value === null || value === undefined) continue;
      if (value < low) [low, low_at] = [value, at];
      if (value > high) [high, high_at] = [value, at];
    }
    if (low_at === -1) made.push(null, null);
    else if (low_at <= high_at) made.push(low, high);
    else made.push(high, low);
  }
  return made;
}

/** The times of a block's two points: its first and its middle; the very last one at the end. */
function timesOf(times: readonly number[], step: number): number[] {
  const made: number[] = [];
  for (let begin = 0; begin < times.length; begin += step) {
    const last = Math.min(begin + step, times.length) - 1;
    made.push(times[begin] ?? 0, times[Math.max(begin, Math.ceil((begin + last) / 2))] ?? 0);
  }
  made[made.length - 1] = times.at(-1) ?? 0;
  return made;
}

/** The same lines from fine to coarse, so that what is drawn follows what can be seen and not what there is. */
export function levelsOf(columns: uPlot.AlignedData): readonly uPlot.AlignedData[] {
  const [times, ...lines] = columns as unknown as [readonly number[], ...Column[]];
  const levels = [columns];
  for (let step = COARSER; (levels.at(-1)?.[0].length ?? 0) > FEW_POINTS; step *= COARSER) {
    levels.push([timesOf(times, step), ...lines.map((line) => coarser(line, step))] as uPlot.AlignedData);
  }
  return levels;
}

/** The finest level of which no more is seen than there is room for; `share`: how much of the whole is seen. */
export function levelFor(
  levels: readonly uPlot.AlignedData[],
  share: number,
  width: number,
): uPlot.AlignedData | undefined {
  const room = Math.max(FEW_POINTS / 4, width * POINTS_PER_PX);
  return (
    levels.find(([times]) => times.length <= FEW_POINTS || times.length * share <= room) ?? levels.at(-1)
  );
}

/** Where a time stands in times that ascend: the place nearest to it. */
export function placeOf(times: readonly number[], time: number): number {
  let [from, to] = [0, times.length - 1];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((times[middle] ?? 0) < time) from = middle + 1;
    else to = middle;
  }
  return from;
}
