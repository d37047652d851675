/** What is not known, null, is left out of all of these. */

/** Symmetric mean absolute percentage error, percent (0 to 200), as the M competitions take it; 0 of 0 is no error. */
export function smapeOf(actual: readonly (number | null)[], expected: readonly number[]): number {
  let [sum, count] = [0, 0];
  for (const [at, value] of actual.entries()) {
    if (value === null) continue;
    const other = expected[at] as number;
    const size = Math.abs(value) + Math.abs(other);
    if (size > 0) sum += (200 * Math.abs(value - other)) / size;
    count++;
  }
  return sum / count;
}

/** The mean absolute error of taking the value of a season before, within a history: what MASE is scaled by. */
export function seasonalScaleOf(history: readonly (number | null)[], period: number): number {
  const lag = history.length > period ? period : 1;
  let [sum, count] = [0, 0];
  for (let at = lag; at < history.length; at++) {
    const [value = null, before = null] = [history[at], history[at - lag]];
    if (value === null || before === null) continue;
    sum += Math.abs(value - before);
    count++;
  }
  return sum / Math.max(count, 1);
}

/** Mean absolute scaled error (Hyndman & Koehler 2006); null where the history never changed. */
export function maseOf(
  actual: readonly (number | null)[],
  expected: readonly number[],
  history: readonly (number | null)[],
  period: number,
): number | null {
  const scale = seasonalScaleOf(history, period);
  if (scale === 0) return null;
  const errors = actual.flatMap((value, at) =>
    value === null ? [] : [Math.abs(value - (expected[at] as number))],
  );
  return errors.reduce((total, error) => total + error, 0) / errors.length / scale;
}
