export { type Amendment, type AmendTarget, isOfErasure } from './amendment.ts';
export * from './check.ts';
export { flatten, isObject, type Members, own, structuredOf, valueOfPart } from './cloud-event.ts';
export * from './column-decoder.ts';
export * from './decode-events.ts';
export type { DimensionPath, DimensionPaths } from './dimension-paths.ts';
export * from './event-batch.ts';
export * from './event-schema.ts';
export * from './event-types.ts';
export { exactJsonText, isDeeper, type ParsedJson, parseExact } from './exact-json.ts';
export { eventCode, hashId, idWords, tenantSeed } from './identity.ts';
export { contentHash } from './member-writer.ts';
export * from './nearest-type.ts';
export {
  type Body,
  type BodyForm,
  type HeaderSource,
  isBinary,
  mediaTypeOf,
  partOf,
  rawOf,
  splitBody,
  trimLine,
} from './parts.ts';
export * from './rejection.ts';
export * from './rfc3339.ts';
