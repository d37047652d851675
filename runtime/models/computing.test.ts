import { describe, expect, it } from 'vitest';
import { forecastSeries } from '../../analytics/index.ts';
import { type ForecastTask, forecastAll, forecastHierarchy } from './index.ts';

/** Long enough for a thread of its own. */
const tasks: readonly ForecastTask[] = [1, 2, 3].map((seed) => ({
  series: {
    values: Array.from({ length: 300 }, (_, at) => 50 + ((at * seed * 37) % 23) + (at % 7)),
    period: 7,
  },
  ...{ method: 'auto', horizon: 14 },
}));
const short: ForecastTask = { series: { values: [1, 2], period: 1 }, method: 'naive', horizon: 1 };

describe('forecasts of many series', () => {
  it('in a thread are those that one by one are', async () => {
    const done: number[] = [];
    const { signal } = new AbortController();
    const outcomes = await forecastAll([...tasks, short], {
      signal,
      onProgress: (count) => done.push(count),
    });
    expect(done).toEqual([1, 2, 3, 4]);
    expect(outcomes[3]).toMatchObject({ error: { code: 'too_little_history' } });
    const alone = tasks.map(({ series, method, horizon }) => ({
      result: forecastSeries(series, { method, horizon }),
    }));
    expect(outcomes.slice(0, 3)).toEqual(alone);
  });

  it('of a whole and its parts agree, computed in a thread', async () => {
    const parts = tasks.map((task) => ({ ...task, method: 'theta' as const }));
    const values = parts[0]?.series.values.map((_, at) =>
      parts.reduce((sum, { series }) => sum + (series.values[at] ?? 0), 0),
    );
    const total = { series: { values: values ?? [], period: 7 }, method: 'theta', horizon: 14 } as const;
    const { signal } = new AbortController();
    const found = await forecastHierarchy({ total, groups: parts }, { signal, onProgress: () => undefined });
    for (const [at, { mean }] of found.total.points.entries()) {
      const sum = found.groups.reduce((all, { points }) => all + (points[at]?.mean ?? 0), 0);
      expect(Math.abs(sum - mean)).toBeLessThan(1e-9 * mean);
    }
    const short = { ...total, series: { values: [1, 2], period: 1 } };
    await expect(
      forecastHierarchy({ total: short, groups: [] }, { signal, onProgress: () => undefined }),
    ).rejects.toMatchObject({ code: 'too_little_history' });
  });

  it('end when nobody wants them any more', async () => {
    const wanted = new AbortController();
    const reason = new Error('nobody wants it');
    const many = Array.from({ length: 500 }, () => tasks).flat();
    const running = forecastAll(many, {
      signal: wanted.signal,
      onProgress: () => wanted.abort(reason),
    });
    await expect(running).rejects.toBe(reason);
    await expect(forecastAll(tasks, { signal: wanted.signal, onProgress: () => undefined })).rejects.toBe(
      reason,
    );
  });
});
