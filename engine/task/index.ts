export * from './digest.ts';
export * from './enriching-source.ts';
export { inputPositions, type Sources } from './inputs.ts';
export * from './meta.ts';
export * from './supervisor.ts';
export * from './task.ts';
export * from './upgrade.ts';
