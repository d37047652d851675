/**
 * Locally weighted means or lines (Cleveland, JASA 74, 1979): tricube weights of the `window` values nearest to a
 * place. Places are 0, 1, … of the values; those asked for begin at `from` and may lie before and behind them.
 */
export function loess(
  values: ArrayLike<number>,
  window: number,
  degree: 0 | 1,
  { from, count }: { readonly from: number; readonly count: number },
): Float64Array {
  const found = new Float64Array(count);
  for (let index = 0; index < count; index++) found[index] = at(values, window, degree, from + index);
  return found;
}

function at(values: ArrayLike<number>, window: number, degree: 0 | 1, place: number): number {
  const total = values.length;
  const width = Math.min(window, total);
  const first = Math.min(Math.max(Math.round(place) - (width >> 1), 0), total - width);
  const far = Math.max(place - first, first + width - 1 - place);
  // A window that is longer than the values is as flat as one of its length.
  const reach = far + Math.max(0, (window - total) >> 1) + FRINGE;
  let [sum, first_sum, squares, value_sum, cross] = [0, 0, 0, 0, 0];
  for (let index = first; index < first + width; index++) {
    const off = index - place;
    const share = Math.abs(off) / reach;
    const open = 1 - share * share * share;
    const weight = open * open * open;
    const value = values[index] as number;
    sum += weight;
    first_sum += weight * off;
    squares += weight * off * off;
    value_sum += weight * value;
    cross += weight * off * value;
  }
  const mean = value_sum / sum;
  if (degree === 0) return mean;
  const middle = first_sum / sum;
  const square = squares / sum - middle * middle;
  return square <= MIN_SQUARE ? mean : mean - (middle * (cross / sum - middle * mean)) / square;
}
/** So that the values at the ends of a window weigh a little, and one alone weighs. */
const FRINGE = 1e-3;
const MIN_SQUARE = 1e-9;

/** The mean of each `width` values in a row: so many fewer. */
export function movingMeans(values: Float64Array, width: number): Float64Array {
  const found = new Float64Array(values.length - width + 1);
  let sum = 0;
  for (let index = 0; index < values.length; index++) {
    sum += values[index] as number;
    if (index >= width) sum -= values[index - width] as number;
    if (index >= width - 1) found[index - width + 1] = sum / width;
  }
  return found;
}
