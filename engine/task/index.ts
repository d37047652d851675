export { type ControlLimits, type ControlPosition, DEFAULT_CONTROL_LIMITS } from './control-state.ts';
export * from './digest.ts';
export * from './enriching-source.ts';
export { inputPositions, type Sources } from './inputs.ts';
export * from './meta.ts';
export * from './supervisor.ts';
export * from './task.ts';
export * from './task-limits.ts';
export * from './upgrade.ts';
