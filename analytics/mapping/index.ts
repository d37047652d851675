export { type MappedRecord, mapRecord } from './map-record.ts';
export { MappingError } from './mapping-error.ts';
export {
  type Mapping,
  mappingSchema,
  type RecordCondition,
  recordConditionSchema,
} from './mapping-schema.ts';
export { minorUnits } from './money.ts';
export type { Preset } from './preset.ts';
export { PRESETS } from './presets.ts';
export { Scope, type SourceRecordBody } from './scope.ts';
export { checkSignature, type SignatureCheck, type SignatureScheme } from './signature.ts';
