export { ControlFeed } from './control-feed.ts';
export {
  type Candidate,
  DEFINITION_MAX_BYTES,
  DEFINITIONS_BUCKET,
  type Definition,
  type DefinitionChange,
  type DefinitionKind,
  MAX_DEFINITIONS_PER_KIND,
  nameSchema,
} from './definition.ts';
export { DefinitionError, invalidMember } from './definition-error.ts';
export { Definitions, type DefinitionsOptions } from './definitions.ts';
export { KindDefinitions, type NewDefinition } from './kind-definitions.ts';
export { mergePatch } from './merge-patch.ts';
export { systemRandom, ulid } from './ulid.ts';
export type { BucketStatus } from './watched-bucket.ts';
