export * from './dimension-builds.ts';
export { type DimensionBody, type Dimensions, dimensionKind, stepsOf } from './dimension-kind.ts';
