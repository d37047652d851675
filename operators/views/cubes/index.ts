export * from './cube-cell.ts';
export * from './cube-delta.ts';
export * from './cube-pending.ts';
export * from './cube-read.ts';
export * from './cube-types.ts';
export * from './cubes.ts';
