export * from './create-detector.ts';
export type { BackgroundFit, Detector, DetectorConfig, DetectorMethod, Point, Verdict } from './detector.ts';
export { type SeasonalEsdOptions, type SeasonalOutlier, seasonalEsd } from './esd-batch.ts';
