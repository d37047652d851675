import { type PointMethod, stepsOf } from './point-method.ts';

/** The last value again. */
export const naive: PointMethod = (history, _period, horizon) => {
  const last = history[history.length - 1] ?? 0;
  return stepsOf(horizon, () => last);
};

/** The last season again; without a whole one, the last value. */
export const seasonalNaive: PointMethod = (history, period, horizon) => {
  if (history.length < period) return naive(history, period, horizon);
  const first = history.length - period;
  return stepsOf(horizon, (step) => history[first + ((step - 1) % period)] as number);
};
