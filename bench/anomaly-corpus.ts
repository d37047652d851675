import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A labelled series, as the Numenta Anomaly Benchmark has them. */
export interface LabelledSeries {
  readonly name: string;
  /** ms since 1970, one for each row. */
  readonly times: readonly number[];
  /** null: the row has none. */
  readonly values: readonly (number | null)[];
  /** First and last row of each labelled window. */
  readonly windows: readonly (readonly [number, number])[];
  /** Rows of the beginning that do not count. */
  readonly probation: number;
}

const PROBATION_SHARE = 0.15;
const PROBATION_MOST_ROWS = 750;

const timeOf = (text: string): number => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`);

const numberOf = (text = ''): number | null => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
};

/** Reads `labels/combined_windows.json` of a folder, and the files of its `data` that it names. */
export function loadCorpus(folder: string): readonly LabelledSeries[] {
  const path = join(folder, 'labels', 'combined_windows.json');
  if (!existsSync(path)) throw new Error(`${path} is missing: name the folder of the series with --data DIR`);
  const labels = JSON.parse(readFileSync(path, 'utf8')) as Record<string, [string, string][]>;
  return Object.keys(labels)
    .sort()
    .map((name) => seriesOf(folder, name, labels[name] ?? []));
}

function seriesOf(folder: string, name: string, labels: readonly [string, string][]): LabelledSeries {
  const rows = readFileSync(join(folder, 'data', name), 'utf8')
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => line.split(','));
  const times = rows.map(([time = '']) => timeOf(time));
  // As the benchmark's own scorer takes them: the rows from one time to the other, whether it has a row at these or not.
  const windows = labels.map(([from, to]) => {
    const [from_ms, to_ms] = [timeOf(from), timeOf(to)];
    const window = [
      times.findIndex((time) => time >= from_ms),
      times.findLastIndex((time) => time <= to_ms),
    ] as const;
    if (window[0] < 0 || window[1] < window[0]) throw new Error(`${name} has no row from ${from} to ${to}`);
    return window;
  });
  const probation = Math.min(Math.floor(PROBATION_SHARE * rows.length), PROBATION_MOST_ROWS);
  return { name, times, values: rows.map(([, value]) => numberOf(value)), windows, probation };
}

/** What a hit, a miss and a false alarm weigh. */
export interface Profile {
  readonly hit: number;
  readonly miss: number;
  readonly falseAlarm: number;
}

export const PROFILES = {
  standard: { hit: 1, miss: 1, falseAlarm: 0.11 },
  reward_low_fp: { hit: 1, miss: 1, falseAlarm: 0.22 },
  reward_low_fn: { hit: 1, miss: 2, falseAlarm: 0.11 },
} as const;

/** The benchmark's scaled sigmoid: 1 long before `at` 0, −1 long behind it. */
const sigmoid = (at: number): number => (at > 3 ? -1 : 2 / (1 + Math.exp(5 * at)) - 1);

export interface SeriesScore {
  readonly score: number;
  readonly hits: number;
  readonly falseAlarms: number;
}

/**
 * Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms", 2015: the first flagged row of a window counts
 * the more the earlier it is, each flagged row outside costs, less so just behind a window.
 */
export function scoreSeries(
  series: LabelledSeries,
  flagged: readonly boolean[],
  weights: Profile,
): SeriesScore {
  const { windows, probation } = series;
  let score = 0;
  let hits = 0;
  for (const [first, last] of windows) {
    if (last < probation) continue;
    const width = last - first + 1;
    let best = -weights.miss;
    for (let row = Math.max(first, probation); row <= last; row++) {
      if (!flagged[row]) continue;
      best = Math.max(best, (sigmoid(-(last - row + 1) / width) / sigmoid(-1)) * weights.hit);
    }
    if (best > 0) hits++;
    score += best;
  }
  let falseAlarms = 0;
  for (let row = probation; row < flagged.length; row++) {
    if (!flagged[row] || windows.some(([first, last]) => row >= first && row <= last)) continue;
    falseAlarms++;
    const before = windows.findLast(([, last]) => last < row);
    const cost = before === undefined ? -1 : sigmoid((row - before[1]) / (before[1] - before[0]));
    score += cost * weights.falseAlarm;
  }
  return { score, hits, falseAlarms };
}

/** 0 for a detector that flags nothing, 100 for a perfect one. */
export function normalised(score: number, windows: number, weights: Profile): number {
  const nothing = -weights.miss * windows;
  return (100 * (score - nothing)) / (weights.hit * windows - nothing);
}
