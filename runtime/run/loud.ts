import type { MetricSample } from '../../engine/index.ts';

/** How often the counters are looked at, ms. */
const LOOK_INTERVAL_MS = 1_000;
const LATE_BY_IDLE = 'millrace.watermark.late_by_idle';

const WINDOWS =
  'windows that were closed do not take them. For events of the past give it idle_ms: Infinity, and begin on a new ' +
  'data folder';

/** Says in the log what would make results wrong in silence: when it begins, and when it has become ten times as much. */
export function sayLoudly(
  metrics: () => readonly MetricSample[],
  log: (line: string) => void,
  consequence: string = WINDOWS,
): { stop(): void } {
  const told = new Map<string, number>();
  const timer = setInterval(() => {
    for (const { name, labels, value } of metrics()) {
      if (name !== LATE_BY_IDLE || value === 0) continue;
      const { operator = '' } = labels;
      if (value < 10 * (told.get(operator) ?? 0)) continue;
      told.set(operator, value);
      log(
        `${value} events are late only because the source was quiet and the watermark "${operator}" followed the ` +
          `clock: ${consequence}`,
      );
    }
  }, LOOK_INTERVAL_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
