export * from './cube-cell.ts';
export * from './cube-read.ts';
export * from './cube-types.ts';
export * from './distinct.ts';
export * from './exact-sum.ts';
export * from './sketch.ts';
