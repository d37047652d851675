export * from './aggregates.ts';
export * from './aggregates-items.ts';
export * from './aggregates-numeric.ts';
export type { RealSum } from './aggregates-real.ts';
export * from './aggregates-sets.ts';
export * from './distinct.ts';
export * from './exact-sum.ts';
export * from './sketch.ts';
