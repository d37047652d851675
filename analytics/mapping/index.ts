export { type MappedRecord, mapRecord } from './map-record.ts';
export { type Mapping, mappingSchema } from './mapping-schema.ts';
export type { Preset } from './preset.ts';
export { PRESETS } from './presets.ts';
export type { SourceRecordBody } from './scope.ts';
export { checkSignature, type SignatureCheck, type SignatureScheme } from './signature.ts';
