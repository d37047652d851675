export * from './base/index.ts';
export * from './control/index.ts';
export * from './edges/index.ts';
export * from './graph/index.ts';
export * from './query/index.ts';
export * from './state/index.ts';
export * from './task/index.ts';
export * from './testing/index.ts';
