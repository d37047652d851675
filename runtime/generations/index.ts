export type { BuildPhase, BuildProgress } from './build-meter.ts';
export type { BuildRequest, BuiltGeneration, GenerationInfo } from './build-request.ts';
export { definitionsOf } from './definitions-of.ts';
export { drainStore } from './drain-outbox.ts';
export type { InterruptedBuild } from './folders.ts';
export { currentSettings, makeRebuiltCurrent, makeRestoredCurrent } from './generation-record.ts';
export { Generations, type GenerationsOptions } from './generations.ts';
export { offeredGeneration, offerGeneration, withdrawOffer } from './offer.ts';
export {
  type Goal,
  goalOf,
  type Reached,
  type ReadProgress,
  Rebuild,
  type RebuildOptions,
} from './rebuild.ts';
export type { RecountOutcome, RecountRequest } from './recount-message.ts';
