/** Symmetric mean absolute percentage error, percent (0 to 200), as the M competitions take it; 0 of 0 is no error. */
export function smapeOf(actual: readonly number[], expected: readonly number[]): number {
  let sum = 0;
  for (const [at, value] of actual.entries()) {
    const other = expected[at] as number;
    const size = Math.abs(value) + Math.abs(other);
    if (size > 0) sum += (200 * Math.abs(value - other)) / size;
  }
  return sum / actual.length;
}

/** The mean absolute error of taking the value of a season before, within a history: what MASE is scaled by. */
export function seasonalScaleOf(history: readonly number[], period: number): number {
  const lag = history.length > period ? period : 1;
  let sum = 0;
  for (let at = lag; at < history.length; at++) {
    sum += Math.abs((history[at] as number) - (history[at - lag] as number));
  }
  return sum / Math.max(history.length - lag, 1);
}

/** Mean absolute scaled error (Hyndman & Koehler 2006); null where the history never changed. */
export function maseOf(
  actual: readonly number[],
  expected: readonly number[],
  history: readonly number[],
  period: number,
): number | null {
  const scale = seasonalScaleOf(history, period);
  if (scale === 0) return null;
  const sum = actual.reduce((total, value, at) => total + Math.abs(value - (expected[at] as number)), 0);
  return sum / actual.length / scale;
}
