import { describe, expect, it } from 'vitest';
import { createDetector } from './create-detector.ts';

const HOUR_MS = 3_600_000;

/** Hours that are flagged; null: the hour has no value, undefined: it is left out. */
function flagged(
  against: 'window' | 'day' | 'week',
  values: readonly (number | null | undefined)[],
): number[] {
  const bounds = { change_percent: -30, against };
  const detector = createDetector({ method: 'threshold', sensitivity: 0.99, window_ms: HOUR_MS, bounds });
  const state = detector.start('rule/');
  return values.flatMap((value, hour) => {
    if (value === undefined) return [];
    return detector.update(state, { start_ms: hour * HOUR_MS, value }).is_anomaly ? [hour] : [];
  });
}

/** A day whose hours differ. */
const hours = (count: number): (number | null | undefined)[] =>
  Array.from({ length: count }, (_, hour) => 100 + (hour % 24) * 50);

describe('a change', () => {
  it('is one of the window before, or of the same time of the day or of the week before', () => {
    const values = hours(24 * 15);
    values[24 * 14 + 5] = 200;
    expect(flagged('day', values)).toEqual([24 * 14 + 5]);
    expect(flagged('week', values)).toEqual([24 * 14 + 5]);
    // Every midnight is lower than the hour before it.
    expect(flagged('window', values)).toHaveLength(15);
  });

  it('is none where nothing is known of that time', () => {
    const values = hours(24 * 4);
    values[30] = null;
    for (let hour = 40; hour < 60; hour++) values[hour] = undefined;
    for (const hour of [54, 64, 86]) values[hour] = 1;
    expect(flagged('day', values)).toEqual([86]);
  });

  it('against a week ago is refused for windows of a minute', () => {
    const bounds = { change_percent: 50, against: 'week' } as const;
    const make = () => createDetector({ method: 'threshold', sensitivity: 0.99, window_ms: 60_000, bounds });
    expect(make).toThrow(expect.objectContaining({ code: 'bad_threshold' }));
  });
});
