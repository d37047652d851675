import { describe, expect, it } from 'vitest';
import { forecastSeries } from '../../analytics/index.ts';
import { type ForecastTask, forecastAll } from './index.ts';

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
