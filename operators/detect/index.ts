export * from './create-detector.ts';
export type { Detector, DetectorConfig, DetectorMethod, Point, Verdict } from './detector.ts';
