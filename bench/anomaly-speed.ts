import { createDetector, type DetectorMethod, fitOfRequest } from '../operators/index.ts';
import { cpu_ms, machine } from './rig.ts';
import { random } from './traffic.ts';

const GROUPS = Number(process.env.BENCH_GROUPS ?? 100_000);
const WINDOWS = Number(process.env.BENCH_WINDOWS ?? 12);
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Of larger states there are fewer groups in memory at once. */
const STATES_BYTES = 400_000_000;
const WARM_POINTS = 3 * 1_440;
const METHODS: readonly DetectorMethod[] = ['auto', 'seasonal_esd', 'prophet', 'zscore'];

/** Orders a minute of a group, with a day's course. */
function load(seed: number): (time_ms: number) => number {
  const next = random(seed);
  return (time_ms) => {
    const mean = 4 - 3 * Math.cos((2 * Math.PI * time_ms) / DAY_MS);
    return Math.max(0, Math.round(mean + Math.sqrt(mean) * (next() + next() + next() - 1.5) * 2));
  };
}

function speedOf(method: DetectorMethod): object {
  const detector = createDetector({ method, sensitivity: 0.997, window_ms: MINUTE_MS });
  const valueAt = load(7);
  const grown = detector.start('grown');
  let fit_ms: number | undefined;
  const update = (state: Uint8Array, start_ms: number): void => {
    detector.update(state, { start_ms, value: valueAt(start_ms) });
  };
  for (let index = 0; index < WARM_POINTS; index++) update(grown, index * MINUTE_MS);
  const { background } = detector;
  if (background !== undefined) {
    const due = grown.slice();
    for (let index = WARM_POINTS; background.dueOf(due) === undefined; index++)
      update(due, index * MINUTE_MS);
    const request = background.requestOf(due) ?? new Uint8Array(0);
    const fitStarted_ms = cpu_ms();
    fitOfRequest(request);
    fit_ms = Math.round(cpu_ms() - fitStarted_ms);
  }
  // One area for all groups, each with the state of a series of days: as rows that were read from a store.
  const size = detector.state_bytes;
  const groups = Math.min(GROUPS, Math.floor(STATES_BYTES / size));
  const area = Buffer.alloc(groups * size);
  const states = Array.from({ length: groups }, (_, group) =>
    area.subarray(group * size, (group + 1) * size),
  );
  for (const state of states) state.set(grown);
  const started_ms = cpu_ms();
  for (let window = 0; window < WINDOWS; window++) {
    for (const state of states) update(state, (WARM_POINTS + window) * MINUTE_MS);
  }
  const us_a_point = ((cpu_ms() - started_ms) * 1_000) / (groups * WINDOWS);
  return {
    points_per_s: Math.round(1e6 / us_a_point),
    us_a_point: Number(us_a_point.toFixed(2)),
    ...(fit_ms === undefined ? {} : { fit_ms }),
    bytes_a_group: size,
    groups,
    // Of so many groups with one window a minute each.
    of_groups: GROUPS,
    cores: Number(((GROUPS * us_a_point) / 60e6).toFixed(4)),
    states_mb: Math.round((groups * size) / 1e6),
    rss_mb: Math.round(process.memoryUsage.rss() / 1e6),
  };
}

/** What detectors cost: many groups, a window a minute each. */
export async function anomalySpeedBench(): Promise<object> {
  process.stdout.write(`${machine()}\n`);
  const results: Record<string, object> = {};
  for (const method of METHODS) {
    results[method] = speedOf(method);
    process.stdout.write(`${method.padEnd(14)}${JSON.stringify(results[method])}\n`);
  }
  return results;
}
