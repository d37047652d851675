import { type PointMethod, stepsOf } from './point-method.ts';

const WEIGHTS = [0.05, 0.1, 0.2, 0.3];
/** A series of demand with fewer values than this share above 0 is intermittent (Syntetos & Boylan: 1 in 1.32). */
const MAX_SHARE = 1 / 1.32;

/** No value below 0, and between demands there are pauses. */
export function isIntermittent(history: readonly number[]): boolean {
  const above = history.filter((value) => value > 0).length;
  return above > 0 && above < MAX_SHARE * history.length && history.every((value) => value >= 0);
}

/** The forecast after each value, by Croston's method with the correction of Syntetos & Boylan (2005). */
function crostonPath(history: readonly number[], weight: number): readonly number[] {
  const first = history.findIndex((value) => value > 0);
  if (first < 0) return history.map(() => 0);
  let [size, gap, since] = [history[first] as number, first + 1, 0];
  return history.map((value, at) => {
    since++;
    if (value > 0) {
      size += weight * (value - size);
      gap = at === first ? gap : gap + weight * (since - gap);
      since = 0;
    }
    return (1 - weight / 2) * (size / gap);
  });
}

/** The forecast after each value, by Teunter, Syntetos & Babai (2011): demand that ends goes to 0. */
function tsbPath(history: readonly number[], weight: number): readonly number[] {
  const first = history.findIndex((value) => value > 0);
  if (first < 0) return history.map(() => 0);
  let [size, chance] = [history[first] as number, 1 / (first + 1)];
  return history.map((value) => {
    chance += (weight / 2) * ((value > 0 ? 1 : 0) - chance);
    if (value > 0) size += weight * (value - size);
    return size * chance;
  });
}

/** The last forecast of the weight whose one-step errors have the least squares. */
function bestOf(
  path: (history: readonly number[], weight: number) => readonly number[],
  history: readonly number[],
): number {
  let best = { squares: Number.POSITIVE_INFINITY, last: 0 };
  for (const weight of WEIGHTS) {
    const each = path(history, weight);
    let squares = 0;
    for (let at = 1; at < history.length; at++) {
      squares += ((history[at] as number) - (each[at - 1] as number)) ** 2;
    }
    if (squares < best.squares) best = { squares, last: each[each.length - 1] ?? 0 };
  }
  return best.last;
}

export const croston: PointMethod = (history, _period, horizon) => {
  const rate = bestOf(crostonPath, history);
  return stepsOf(horizon, () => rate);
};

export const tsb: PointMethod = (history, _period, horizon) => {
  const rate = bestOf(tsbPath, history);
  return stepsOf(horizon, () => rate);
};
