export * from './create-detector.ts';
export type {
  BackgroundFit,
  Detector,
  DetectorConfig,
  DetectorMethod,
  Point,
  ThresholdBounds,
  Verdict,
} from './detector.ts';
export { type SeasonalEsdOptions, type SeasonalOutlier, seasonalEsd } from './esd-batch.ts';
