// What the API shows of the cubes' state.
export { readCardinality } from '../operators/index.ts';
export * from './decode.ts';
export * from './event-schema.ts';
export * from './event-time.ts';
export * from './event-types.ts';
export {
  type BadEvent,
  checkEventMembers,
  flatPart,
  flatten,
  type HeaderSource,
  isBinary,
  isDeeper,
  mediaTypeOf,
  nearestType,
  type ParsedJson,
  partOf,
  splitBody,
  structuredOf,
  type TimeLimits,
  trimLine,
  type UncountedType,
  uncountedWarning,
  valueOfPart,
} from './events/index.ts';
export * from './metrics.ts';
export * from './model.ts';
export * from './order-event.ts';
export * from './query/index.ts';
export * from './topology.ts';
