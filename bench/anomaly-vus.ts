import type { LabelledSeries } from './anomaly-corpus.ts';

const BUFFER_ROWS = 100;
const BUFFER_STEP_ROWS = 10;
const THRESHOLDS = 250;

/**
 * Volume under the precision-recall surface (Paparrizos et al., "Volume under the surface", 2022): the range-based area
 * under the curve, averaged over buffers of 0 to 100 rows around the windows, in which a label falls off with a root.
 * Recall is multiplied by the share of windows that were found at all. Rows of the probation are left out.
 */
export function vusPr(series: LabelledSeries, scores: readonly number[]): number {
  const order = scores
    .map((_, row) => row)
    .filter((row) => row >= series.probation)
    .sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
  const predicted = cuts(order, scores);
  let sum = 0;
  let buffers = 0;
  for (let buffer = 0; buffer <= BUFFER_ROWS; buffer += BUFFER_STEP_ROWS) {
    sum += areaUnderCurve(series, order, predicted, buffer);
    buffers++;
  }
  return sum / buffers;
}

/** For each threshold, how many rows score at least as high. */
function cuts(order: readonly number[], scores: readonly number[]): readonly number[] {
  const counts: number[] = [];
  let count = 0;
  for (let index = 0; index < THRESHOLDS; index++) {
    const row = order[Math.floor((index * (order.length - 1)) / (THRESHOLDS - 1))] ?? 0;
    const threshold = scores[row] ?? 0;
    while (count < order.length && (scores[order[count] ?? 0] ?? 0) >= threshold) count++;
    counts.push(count);
  }
  return counts;
}

function areaUnderCurve(
  { windows, times }: LabelledSeries,
  order: readonly number[],
  predicted: readonly number[],
  buffer: number,
): number {
  const labels = new Float64Array(times.length);
  const inside = new Uint8Array(times.length);
  for (const [first, last] of windows) {
    labels.fill(1, first, last + 1);
    inside.fill(1, first, last + 1);
    for (let away = 1; away <= buffer / 2; away++) {
      const soft = Math.sqrt(1 - away / buffer);
      for (const row of [first - away, last + away]) {
        if (row >= 0 && row < labels.length) labels[row] = Math.min(1, (labels[row] as number) + soft);
      }
    }
  }
  const { segmentOf, segments } = segmentsOf(labels);
  const positives = inside.reduce((sum, one) => sum + one, 0);
  const found = new Set<number>();
  let truePositives = 0;
  let soft = 0;
  let index = 0;
  let before = 0;
  let area = 0;
  for (const count of predicted) {
    for (; index < count; index++) {
      const row = order[index] ?? 0;
      const label = labels[row] as number;
      truePositives += label;
      if (inside[row] === 0) soft += label;
      if (label > 0) found.add(segmentOf[row] as number);
    }
    const recall = Math.min(1, truePositives / (positives + soft / 2)) * (found.size / segments);
    area += (recall - before) * (truePositives / count);
    before = recall;
  }
  return area;
}

/** Runs of rows with a label. */
function segmentsOf(labels: Float64Array): { readonly segmentOf: Int32Array; readonly segments: number } {
  const segmentOf = new Int32Array(labels.length);
  let segments = 0;
  for (let row = 0; row < labels.length; row++) {
    if (labels[row] === 0) continue;
    if (row === 0 || labels[row - 1] === 0) segments++;
    segmentOf[row] = segments;
  }
  return { segmentOf, segments };
}
