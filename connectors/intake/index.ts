export {
  type ConnectorIdentity,
  type ConnectorType,
  connectorType,
  type IntakeSurroundings,
} from './connector-type.ts';
export {
  BATCH_MAX_BYTES,
  BATCH_MAX_RECORDS,
  type JsonValue,
  POSITION_MAX_BYTES,
  type RecordSource,
  type SourceBatch,
  type SourceRecord,
} from './record-source.ts';
