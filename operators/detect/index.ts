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
export { fitProphet, predictProphet, ROW_CELLS as PROPHET_ROW_CELLS } from './prophet-fit.ts';
export { fitOfRequest } from './prophet-request.ts';
