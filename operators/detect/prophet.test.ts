import { describe, expect, it } from 'vitest';
import { createDetector } from './create-detector.ts';
import { BEGIN_MS, DAY_MS, Draws, HOUR_MS, pointsOf, shopHour } from './fixture-series.ts';
import { fitProphet, type ProphetHistory, predictProphet, ROW_CELLS } from './prophet-fit.ts';
import { fitOfRequest } from './prophet-request.ts';

const historyOf = (
  count: number,
  step_ms: number,
  at: (index: number, time_ms: number) => number,
): ProphetHistory => {
  const times_ms = Float64Array.from({ length: count }, (_, index) => BEGIN_MS + index * step_ms);
  return { times_ms, local_ms: times_ms, values: times_ms.map((time_ms, index) => at(index, time_ms)) };
};

/** Minus the logarithm of the posterior, from the definition: likelihood, and each prior. */
function loss(model: Float64Array, history: ProphetHistory): number {
  const row = new Float64Array(ROW_CELLS);
  const scale = model[2] as number;
  const sigma = model[3] as number;
  const weights = model.subarray(14);
  const [k = 0, m = 0, ...terms] = weights.subarray(0, ROW_CELLS);
  let sum =
    history.values.length * Math.log(sigma) + sigma ** 2 / (2 * 0.5 ** 2) + (k ** 2 + m ** 2) / (2 * 5 ** 2);
  for (const term of terms) sum += term ** 2 / (2 * 10 ** 2);
  for (const change of weights.subarray(ROW_CELLS)) sum += Math.abs(change) / 0.05;
  for (const [index, time_ms] of history.times_ms.entries()) {
    const { mean } = predictProphet(model, time_ms, history.local_ms[index] ?? 0, row);
    sum += ((history.values[index] ?? 0) - mean) ** 2 / scale ** 2 / (2 * sigma ** 2);
  }
  return sum;
}

describe('fitProphet', () => {
  it('finds the maximum of the posterior: no step away from it is better', () => {
    const draws = new Draws(41);
    const history = historyOf(500, HOUR_MS, (index, time_ms) => {
      return 50 + Math.abs(index - 250) * 0.2 + 20 * shopHour(time_ms) + 3 * draws.normal();
    });
    const model = fitProphet(history, DAY_MS, 1);
    const best = loss(model, history);
    for (let at = 14; at < model.length; at++) {
      for (const step of [-1e-3, 1e-3]) {
        const moved = model.slice();
        moved[at] = (moved[at] as number) + step;
        expect(loss(moved, history)).toBeGreaterThan(best - 1e-4);
      }
    }
    for (const factor of [0.97, 1.03]) {
      const moved = model.slice();
      moved[3] = (moved[3] as number) * factor;
      expect(loss(moved, history)).toBeGreaterThan(best);
    }
  });

  it('follows a trend that bends, and a week, and is less sure of what lies further ahead', () => {
    const draws = new Draws(42);
    const course = (index: number): number =>
      100 + (index < 200 ? index : 200 - 0.5 * (index - 200)) + (index % 7 === 5 ? 40 : 0);
    const history = historyOf(400, DAY_MS, (index) => course(index) + 4 * draws.normal());
    const model = fitProphet(history, 60 * DAY_MS, 7);
    const at = (index: number) => {
      const time_ms = BEGIN_MS + index * DAY_MS;
      return predictProphet(model, time_ms, time_ms, new Float64Array(ROW_CELLS));
    };
    for (const index of [20, 150, 205, 300, 403, 411]) {
      expect(Math.abs(at(index).mean - course(index))).toBeLessThan(16);
    }
    expect(at(399).deviation).toBeGreaterThan(3.5);
    expect(at(399).deviation).toBeLessThan(8);
    expect(at(450).deviation).toBeGreaterThan(at(410).deviation);
    expect(fitProphet(history, 60 * DAY_MS, 7)).toEqual(model);
  });
});

describe('the detector prophet', () => {
  it('gives the same, wherever and whenever its fits are made', () => {
    const draws = new Draws(43);
    const points = pointsOf(400, (_, time_ms) => draws.poisson(50 * shopHour(time_ms)));
    // A gap while a fit is due that ends before it takes effect, and one so long that nothing of the history is left.
    const shown = points.map((point, index) => ({
      start_ms: point.start_ms + (index > 49 ? 20 * HOUR_MS : 0) + (index > 299 ? 3_000 * HOUR_MS : 0),
      value: index % 50 === 7 ? null : point.value,
    }));
    const config = { method: 'prophet', sensitivity: 0.99, window_ms: HOUR_MS } as const;
    for (const series of [points, shown]) {
      const inline = createDetector(config);
      const beside = createDetector(config);
      const { background } = beside;
      const one = inline.start('a');
      const other = beside.start('a');
      let asked: { readonly due: number; readonly request: Uint8Array } | undefined;
      let left = background?.windowsLeft(other, false) ?? 0;
      let fits = 0;
      for (const point of series) {
        const due = background?.dueOf(other);
        // The request of the moment at which it was first due, made as late as can be.
        const isNeeded = (background?.windowsLeft(other, false) ?? 1) === 0;
        const fitted = asked !== undefined && isNeeded ? fitOfRequest(asked.request) : undefined;
        const verdict = beside.update(other, point, fitted);
        expect(verdict).toEqual(inline.update(one, point));
        expect(Number.isFinite(verdict.score)).toBe(true);
        expect(Buffer.compare(other, one)).toBe(0);
        const next = background?.dueOf(other);
        // Where a model came into effect, no window was promised to do without.
        if (due !== undefined && next === undefined) expect(left).toBeLessThanOrEqual(0);
        left = background?.windowsLeft(other, false) ?? 0;
        if (next === undefined || next === asked?.due) continue;
        asked = { due: next, request: background?.requestOf(other) ?? new Uint8Array(0) };
        expect(fitOfRequest(asked.request)).toEqual(
          fitOfRequest(background?.requestOf(other.slice()) ?? asked.request),
        );
        fits++;
      }
      expect(fits).toBeGreaterThan(8);
    }
  });

  it('asks for the same fit until it takes effect, through gaps too', () => {
    const draws = new Draws(44);
    const detector = createDetector({ method: 'prophet', sensitivity: 0.99, window_ms: 5 * 60_000 });
    const { background } = detector;
    const state = detector.start('a');
    let request: Uint8Array | undefined;
    let kept = 0;
    for (let index = 0, at = 0; index < 1_200; index++, at++) {
      if (index % 100 === 90) at += 29;
      const verdict = detector.update(state, {
        start_ms: BEGIN_MS + at * 5 * 60_000,
        value: draws.poisson(30),
      });
      expect(Number.isNaN(verdict.score)).toBe(false);
      const now = background?.requestOf(state);
      if (now !== undefined && request !== undefined) {
        expect(Buffer.compare(now, request)).toBe(0);
        kept++;
      }
      request = now;
    }
    expect(kept).toBeGreaterThan(20);
  });
});
