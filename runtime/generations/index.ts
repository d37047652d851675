export type { BuildPhase, BuildProgress } from './build-meter.ts';
export { definitionsOf } from './definitions-of.ts';
export { currentSettings, makeRebuiltCurrent } from './generation-record.ts';
export {
  type BuildRequest,
  type BuiltGeneration,
  Generations,
  type GenerationsOptions,
  type InterruptedBuild,
} from './generations.ts';
export {
  type Goal,
  goalOf,
  type Reached,
  type ReadProgress,
  Rebuild,
  type RebuildOptions,
} from './rebuild.ts';
