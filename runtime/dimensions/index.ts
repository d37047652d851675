export * from './dimension-builds.ts';
export { type DimensionBody, type Dimensions, dimensionKind } from './dimension-kind.ts';
