import { MillraceError } from '../../engine/index.ts';
import { AutoDetector } from './auto.ts';
import type { Detector, DetectorConfig } from './detector.ts';
import { SeasonalEsdDetector } from './esd-online.ts';
import { ProphetDetector } from './prophet.ts';
import { ThresholdDetector } from './threshold.ts';
import { ZscoreDetector } from './zscore.ts';

/** A rest after an anomaly: 100 windows, but no longer than a day, and one window at least. */
const REST_WINDOWS = 100;
const REST_MS = 86_400_000;

/** The detector of a method. Throws `bad_sensitivity`, `bad_window`, `bad_threshold`. */
export function createDetector(config: DetectorConfig): Detector {
  const rest_windows = Math.max(1, Math.min(REST_WINDOWS, Math.floor(REST_MS / config.window_ms)));
  switch (config.method) {
    case 'auto':
      return new AutoDetector(config, rest_windows);
    case 'seasonal_esd':
      return new SeasonalEsdDetector(config, rest_windows);
    case 'prophet':
      return new ProphetDetector(config, rest_windows);
    case 'zscore':
      return new ZscoreDetector(config, rest_windows);
    case 'threshold':
      return new ThresholdDetector(config);
    default:
      throw new MillraceError('unknown_method', `There is no method "${config.method}".`);
  }
}
