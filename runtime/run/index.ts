export { sayLoudly } from './loud.ts';
export { type OpenState, openState } from './open-state.ts';
export { type RunningTopology, run } from './run.ts';
export type { RunOptions } from './run-options.ts';
