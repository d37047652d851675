import { describe, expect, it } from 'vitest';
import { createDetector } from './create-detector.ts';
import type { Detector, DetectorMethod } from './detector.ts';
import {
  BEGIN_MS,
  DAY_MS,
  Draws,
  HOUR_MS,
  judged,
  NORMAL_SERIES,
  pointsOf,
  shopHour,
} from './fixture-series.ts';

/** What every method promises: docs/anomalies.md. */
const METHODS: readonly DetectorMethod[] = ['auto', 'prophet', 'seasonal_esd', 'zscore'];

const make = (method: DetectorMethod, sensitivity = 0.99): Detector =>
  createDetector({ method, sensitivity, window_ms: HOUR_MS });

/** A shop's orders an hour, about 40 at noon. */
const shop = (seed: number) => {
  const draws = new Draws(seed);
  return (_: number, time_ms: number) => draws.poisson(40 * shopHour(time_ms));
};

describe.each(METHODS)('the detector %s', (method) => {
  // Fits take milliseconds each.
  const isFitted = method === 'prophet';

  it('flags at most 1 − sensitivity of normal windows', { timeout: 60_000 }, () => {
    const shares = Object.entries(NORMAL_SERIES).flatMap(([kind, seeded]) =>
      (isFitted ? [0.95, 0.99] : [0.9, 0.95, 0.99]).map((sensitivity) => {
        const detector = make(method, sensitivity);
        let windows = 0;
        let flagged = 0;
        for (let seed = 1; seed <= (isFitted ? 2 : 6); seed++) {
          for (const { is_anomaly } of judged(
            detector,
            pointsOf(isFitted ? 600 : 1_200, seeded(seed)),
            kind,
          )) {
            windows++;
            if (is_anomaly) flagged++;
          }
        }
        return { kind, sensitivity, share: flagged / windows, most: 1 - sensitivity };
      }),
    );
    expect(shares.filter(({ share, most }) => share > most)).toEqual([]);
    // It is not by saying nothing at all.
    expect(shares.filter(({ kind, share }) => kind === 'independent' && share === 0)).toEqual([]);
  });

  it('finds what is far off: a day of nothing, and a value four times as high', () => {
    const detector = make(method);
    const points = pointsOf(42 * 24, shop(3));
    const noon = 35 * 24 + 14;
    const changed = points.map((point, index) => {
      if (index === noon) return { ...point, value: (point.value as number) * 4 };
      return index >= 39 * 24 ? { ...point, value: 0 } : point;
    });
    const verdicts = judged(detector, changed);
    expect(verdicts[noon]).toMatchObject({ is_anomaly: true });
    if (method === 'zscore') return;
    const outage = verdicts.slice(39 * 24, 40 * 24).filter(({ is_anomaly }) => is_anomaly);
    expect(outage).toHaveLength(1);
  });

  it('has bounds that a value leaves when it is flagged for itself', () => {
    const detector = make(method);
    const points = pointsOf(1_000, NORMAL_SERIES['heavy-tailed']?.(5) ?? (() => null));
    let judgedValues = 0;
    for (const [index, { lower, upper, score, expected }] of judged(detector, points).entries()) {
      const value = points[index]?.value ?? 0;
      if (lower === null || upper === null || expected === null) {
        expect(score).toBe(0);
        continue;
      }
      judgedValues++;
      expect(lower).toBeLessThanOrEqual(expected);
      expect(upper).toBeGreaterThanOrEqual(expected);
      if (value < lower || value > upper) expect(score).toBeGreaterThanOrEqual(detector.threshold - 1e-9);
    }
    expect(judgedValues).toBeGreaterThan(700);
  });

  it('says nothing at the beginning, and nothing of a constant or of a first order', () => {
    const detector = make(method, 0.95);
    const first = judged(
      detector,
      pointsOf(12, (index) => index * index * 1_000),
    );
    expect(first.filter(({ is_anomaly, score }) => is_anomaly || score > 0)).toEqual([]);
    const constant = judged(
      detector,
      pointsOf(500, () => 1_200),
    );
    expect(constant.filter(({ is_anomaly }) => is_anomaly)).toEqual([]);
    const firstOrder = judged(
      detector,
      pointsOf(500, (index) => (index === 400 ? 1 : 0)),
    );
    expect(firstOrder.filter(({ is_anomaly }) => is_anomaly)).toEqual([]);
  });

  it('takes gaps for what they are', () => {
    const detector = make(method);
    const normal = NORMAL_SERIES.independent?.(7) ?? (() => null);
    const points = pointsOf(1_200, (index, time_ms) => {
      const value = normal(index, time_ms);
      return index % 5 === 3 || (index > 600 && index < 680) ? null : value;
    });
    const verdicts = judged(detector, points);
    const ofGaps = verdicts.filter((_, index) => points[index]?.value === null);
    expect(ofGaps.filter(({ is_anomaly, score }) => is_anomaly || score > 0)).toEqual([]);
    expect(ofGaps.at(-1)?.expected).toBeGreaterThan(80);
    expect(verdicts.filter(({ is_anomaly }) => is_anomaly).length).toBeLessThan(12);
    // Windows that are left out, and windows that are null, are the same to what comes behind them.
    const left = judged(
      detector,
      points.filter(({ value }) => value !== null),
    );
    expect(left).toEqual(verdicts.filter((_, index) => points[index]?.value !== null));
  });

  it('takes a new level as normal', () => {
    const detector = make(method);
    const draws = new Draws(11);
    const points = pointsOf(2_000, (index) => (index < 1_200 ? 100 : 180) + 5 * draws.normal());
    const verdicts = judged(detector, points);
    expect(verdicts.slice(1_200, 1_212).filter(({ is_anomaly }) => is_anomaly)).toHaveLength(1);
    const later = verdicts.slice(1_400);
    expect(later.every(({ expected }) => Math.abs((expected ?? 0) - 180) < 12)).toBe(true);
    expect(later.filter(({ score }) => score >= detector.threshold).length).toBeLessThan(12);
    const back = judged(detector, [
      ...points,
      ...pointsOf(3, () => 100, HOUR_MS, BEGIN_MS + 2_000 * HOUR_MS),
    ]);
    expect(back.slice(-3).some(({ is_anomaly }) => is_anomaly)).toBe(true);
  });

  it('is the same function in each process: the bytes say everything', () => {
    const points = pointsOf(1_500, shop(5));
    const detector = make(method);
    const state = detector.start('DE');
    const other = detector.start('GB');
    const verdicts = points.map((point) => {
      detector.update(other, { ...point, value: 7 });
      return detector.update(state, point);
    });
    // A second detector, whose state is stored and read after each point.
    const second = make(method);
    let stored = Buffer.from(second.start('DE'));
    const again = points.map((point) => {
      const read = new Uint8Array(stored);
      const verdict = second.update(read, point);
      stored = Buffer.from(read);
      return verdict;
    });
    expect(again).toEqual(verdicts);
    expect(stored.equals(state)).toBe(true);
    expect(state.length).toBe(detector.state_bytes);
  });

  it('judges a correction from the state before it, and leaves that as it was', () => {
    const detector = make(method);
    const points = pointsOf(1_000, shop(9));
    const state = detector.start('FR');
    for (const point of points.slice(0, -1)) detector.update(state, point);
    const before = state.slice();
    const last = points.at(-1) ?? { start_ms: 0, value: 0 };
    const asItWas = detector.rescore(state, last);
    expect(detector.rescore(state, { ...last, value: 5_000 }).is_anomaly).toBe(true);
    expect(state).toEqual(before);
    expect(detector.update(state, last)).toEqual(asItWas);
    expect(state).not.toEqual(before);
  });

  it('refuses what is no next point, and bytes that are not its own', () => {
    const detector = make(method);
    const state = detector.start('x');
    detector.update(state, { start_ms: BEGIN_MS, value: 1 });
    const before = state.slice();
    const refused = (point: { start_ms: number; value: number }, code: string): void => {
      expect(() => detector.update(state, point)).toThrowError(expect.objectContaining({ code }));
      expect(state).toEqual(before);
    };
    refused({ start_ms: BEGIN_MS, value: 1 }, 'point_out_of_order');
    refused({ start_ms: BEGIN_MS - DAY_MS, value: 1 }, 'point_out_of_order');
    refused({ start_ms: BEGIN_MS + HOUR_MS, value: Number.NaN }, 'bad_value');
    for (const bytes of [new Uint8Array(3), new Uint8Array(state.length)]) {
      expect(() => detector.update(bytes, { start_ms: BEGIN_MS + HOUR_MS, value: 1 })).toThrowError(
        expect.objectContaining({ code: 'detector_state_mismatch' }),
      );
    }
  });
});

describe('createDetector', () => {
  it('refuses a sensitivity and a window that mean nothing', () => {
    for (const sensitivity of [0, 1, -1, Number.NaN]) {
      expect(() => make('zscore', sensitivity)).toThrowError(
        expect.objectContaining({ code: 'bad_sensitivity' }),
      );
    }
    for (const window_ms of [0, -1, 0.5, Number.NaN]) {
      expect(() => createDetector({ method: 'zscore', sensitivity: 0.9, window_ms })).toThrowError(
        expect.objectContaining({ code: 'bad_window' }),
      );
    }
  });
});
