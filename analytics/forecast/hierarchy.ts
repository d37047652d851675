import type { Base, Tested } from './base.ts';
import { type Forecast, finished, spreadOf } from './forecast.ts';

/** Forecasts of a whole and of its parts, whose sum it is. */
export interface Hierarchy<T> {
  readonly total: T;
  readonly groups: readonly T[];
}

/**
 * Forecasts of parts and of their sum, made to agree at every step: what the sum of the parts misses of the total is
 * spread over all of them by the variances of their errors at that step (WLS; the diagonal case of MinT:
 * Wickramasuriya, Athanasopoulos & Hyndman, JASA 114, 2019). A part that was never below 0 stays there. The same is done
 * at the origins of the back-test, and the intervals are drawn from the errors that it leaves.
 */
export function reconciled({ total, groups }: Hierarchy<Base>): Hierarchy<Forecast> {
  const all = [total, ...groups];
  const variances = all.map((base) => spreadOf(base).map(({ half_80 }) => half_80 * half_80));
  const isFloored = groups.map(({ isNonNegative }) => isNonNegative);
  const means = agreed(
    all.map((base) => base.means),
    variances,
    isFloored,
  );
  const origins = total.tested.map(({ before_end }) => {
    const found = all.map((base) => testedAt(base, before_end));
    const steps = total.tested.find((one) => one.before_end === before_end)?.actual.length ?? 0;
    // Of a part that had not begun nothing was expected.
    const before = found.map((one) => one?.forecast ?? new Array<number>(steps).fill(0));
    const trusted = variances.map((own, place) => (found[place] === undefined ? own.map(() => 0) : own));
    const after = agreed(before, trusted, isFloored);
    return found.map((one, place) =>
      one === undefined ? undefined : { ...one, forecast: after[place] ?? [] },
    );
  });
  const forecasts = all.map((base, place) => {
    const tested = origins.flatMap((each) => each[place] ?? []);
    const isEnough = tested.length >= Math.min(base.tested.length, MIN_COMMON_ORIGINS);
    return finished({ ...base, means: means[place] ?? [], tested: isEnough ? tested : base.tested });
  });
  const [whole, ...parts] = forecasts as [Forecast, ...Forecast[]];
  return { total: whole, groups: parts };
}

/** A part that began too late to be tried at so many of the total's origins keeps its own. */
const MIN_COMMON_ORIGINS = 6;

const testedAt = ({ tested, also }: Base, before_end: number): Tested | undefined =>
  [...tested, ...also].find((one) => one.before_end === before_end);

type Rows = readonly (readonly number[])[];

/** The total first, then the parts. */
function agreed(points: Rows, variances: Rows, isFloored: readonly boolean[]): Rows {
  const found = points.map((row) => [...row]);
  for (let at = 0; at < (points[0]?.length ?? 0); at++) {
    const column = points.map((row) => row[at] ?? 0);
    const own = variances.map((row) => row[at] ?? 0);
    for (const [place, value] of agreedStep(column, own, isFloored).entries())
      (found[place] as number[])[at] = value;
  }
  return found;
}

function agreedStep(
  [total = 0, ...parts]: readonly number[],
  [loose = 0, ...variances]: readonly number[],
  isFloored: readonly boolean[],
): readonly number[] {
  const values = [...parts];
  const free = new Set(parts.keys());
  let below: number[] = [];
  // A part that would fall below 0 is 0, and the others take what it leaves.
  do {
    for (const at of below) {
      values[at] = 0;
      free.delete(at);
    }
    for (const at of free) values[at] = parts[at] as number;
    const missed = total - values.reduce((sum, value) => sum + value, 0);
    let weight = loose;
    for (const at of free) weight += variances[at] ?? 0;
    if (weight <= 0) break;
    for (const at of free) values[at] = (values[at] as number) + ((variances[at] ?? 0) / weight) * missed;
    below = [...free].filter((at) => isFloored[at] === true && (values[at] as number) < 0);
  } while (below.length > 0);
  return [values.reduce((sum, value) => sum + value, 0), ...values];
}
