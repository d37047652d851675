import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDetector, type DetectorMethod } from '../operators/index.ts';
import { type LabelledSeries, loadCorpus, normalised, PROFILES, scoreSeries } from './anomaly-corpus.ts';
import { shesdCases } from './anomaly-shesd.ts';
import { vusPr } from './anomaly-vus.ts';
import { cpu_ms } from './rig.ts';

const METHODS: readonly DetectorMethod[] = ['auto', 'seasonal_esd', 'prophet', 'zscore'];
/** One setting and one threshold for all methods and series. */
const SENSITIVITY = 0.997;
const FIRST_ROWS = 10;
const SHARED = join(process.cwd(), '..', 'shared', 'data');

interface Judged {
  readonly scores: readonly number[];
  readonly flagged: readonly boolean[];
}

/** The length of a window, as a rule would say it: the usual distance of the first rows. */
function windowOf({ times }: LabelledSeries): number {
  const steps = times.slice(1, FIRST_ROWS).map((time, index) => time - (times[index] ?? 0));
  return steps.toSorted((a, b) => a - b)[steps.length >> 1] ?? 1;
}

/** One pass, row by row. A row at or before the last one's time is no new window: it is passed over. */
function judge(method: DetectorMethod, series: LabelledSeries): Judged {
  const detector = createDetector({ method, sensitivity: SENSITIVITY, window_ms: windowOf(series) });
  const state = detector.start(series.name);
  const scores: number[] = [];
  const flagged: boolean[] = [];
  let last_ms = Number.NEGATIVE_INFINITY;
  for (const [row, start_ms] of series.times.entries()) {
    const isNew = start_ms > last_ms;
    if (isNew) last_ms = start_ms;
    const verdict = isNew
      ? detector.update(state, { start_ms, value: series.values[row] ?? null })
      : undefined;
    scores.push(verdict?.score ?? 0);
    flagged.push(verdict?.is_anomaly ?? false);
  }
  return { scores, flagged };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function qualityOf(method: DetectorMethod, corpus: readonly LabelledSeries[]): object {
  const started_ms = cpu_ms();
  const judged = corpus.map((series) => ({ series, ...judge(method, series) }));
  const took_ms = cpu_ms() - started_ms;
  const rows = corpus.reduce((sum, { times }) => sum + times.length, 0);
  const windows = corpus.reduce((sum, series) => sum + series.windows.length, 0);
  const profiles = Object.entries(PROFILES).map(([name, weights]) => {
    const each = judged.map(({ series, flagged }) => scoreSeries(series, flagged, weights));
    return [
      name,
      round(
        normalised(
          each.reduce((sum, { score }) => sum + score, 0),
          windows,
          weights,
        ),
        2,
      ),
    ];
  });
  const each = judged.map(({ series, flagged }) => scoreSeries(series, flagged, PROFILES.standard));
  const labelled = judged.filter(({ series }) => series.windows.length > 0);
  const vus = labelled.reduce((sum, { series, scores }) => sum + vusPr(series, scores), 0) / labelled.length;
  return {
    ...Object.fromEntries(profiles),
    windows_hit: each.reduce((sum, { hits }) => sum + hits, 0),
    windows,
    false_alarms_per_1000: round(
      (1_000 * each.reduce((sum, { falseAlarms }) => sum + falseAlarms, 0)) / rows,
      3,
    ),
    vus_pr: round(vus, 3),
    us_a_point: round((1_000 * took_ms) / rows, 2),
  };
}

/** Detectors on labelled series, online: `--data DIR` has `data` and `labels/combined_windows.json`, `--shesd FILE` cases. */
export async function anomalyQualityBench(): Promise<object> {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { data: { type: 'string' }, shesd: { type: 'string' } },
  });
  const corpus = loadCorpus(values.data ?? join(SHARED, 'nab'));
  const results: Record<string, object> = {};
  for (const method of METHODS) {
    results[method] = qualityOf(method, corpus);
    process.stdout.write(`${method.padEnd(14)}${JSON.stringify(results[method])}\n`);
  }
  results.seasonal_esd_batch = shesdCases(values.shesd ?? join(SHARED, 'shesd', 'cases.json'));
  return results;
}
