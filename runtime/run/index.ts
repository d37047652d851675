export type { ClusterOptions } from '../partitions/index.ts';
export { type EdgeProblem, edgeProblems } from './edge-problems.ts';
export { lookAtEdges } from './look-at-edges.ts';
export { sayLoudly } from './loud.ts';
export { type OpenState, openState } from './open-state.ts';
export { type RunningTopology, run } from './run.ts';
export type { RunOptions } from './run-options.ts';
