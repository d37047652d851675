export * from './blobs/index.ts';
export { CONNECTOR_TYPES } from './connector-types.ts';
export { csvLines } from './files/index.ts';
export {
  ANSWER_TIMEOUT_MS,
  type ChannelMessage,
  type HttpPost,
  type HttpReply,
  HttpSender,
  isTaken,
  pagerDutyPost,
  type SmsProvider,
  slackPost,
  smsPost,
} from './http/index.ts';
export * from './intake/index.ts';
export { type KafkaRecord, sendToKafka } from './kafka/index.ts';
export { Mailer, type MailSettings } from './mail/index.ts';
export { MemoryKeyValueStore } from './memory/index.ts';
export * from './nats/channels/index.ts';
export {
  ANOMALIES_STREAM,
  canAimAnswers,
  checkPermissions,
  checkServerVersion,
  connectNats,
  covers,
  DEADLETTER_STREAM,
  deniedOf,
  type EnsuredStreams,
  type EnsureStreamsOptions,
  EVENTS_STREAM,
  ensureStream,
  ensureStreams,
  forbiddenToPublishers,
  inspectStream,
  isStreamTaking,
  type LinkOptions,
  type LinkStatus,
  lookAtStream,
  type NatsAccess,
  type NatsCredentials,
  type NatsLink,
  type NatsServer,
  type NatsTls,
  oneOf,
  openManager,
  overlap,
  type Permission,
  placed,
  replicasFor,
  requirePatterns,
  requireStreamName,
  type ServiceNeeds,
  type StreamLook,
  type StreamPlacement,
  type StreamSpec,
  sayPermission,
  servicePermissions,
  streamEnd,
  streamFacts,
} from './nats/client/index.ts';
export * from './nats/embedded/index.ts';
export {
  type GapChoice,
  gapPolicy,
  type JetStreamInput,
  type JetStreamInputOptions,
  jetstream,
  jetstreamDoc,
  jetstreamInputs,
} from './nats/inputs/index.ts';
export { type KeyValueOptions, openKeyValueStore } from './nats/kv/index.ts';
export { openObjectStore } from './nats/objects/index.ts';
export {
  publishersIds,
  StreamPayloads,
  type StreamPayloadsOptions,
  SubjectFeed,
} from './nats/payloads/index.ts';
export {
  DEFAULT_EVENT_PUBLISHER_LIMITS,
  type EventMessage,
  EventPublisher,
  type EventPublisherLimits,
  JetStreamPublisher,
  KnownStreamPublisher,
  type PublishResult,
  toldPublisher,
} from './nats/publish/index.ts';
export {
  AUDIT_STREAM,
  DELIVERIES_STREAM,
  NOTICES_STREAM,
  openMessageQueue,
  SINKS_STREAM,
} from './nats/queue/index.ts';
export { NatsRequests, type Served, type ServeOptions } from './nats/requests/index.ts';
export {
  DEFAULT_PULL_LIMITS,
  JetStreamSource,
  type JetStreamSourceOptions,
  type PullLimits,
  type SourceDiagnostics,
  ThreadedSource,
  type ThreadedSourceOptions,
} from './nats/source/index.ts';
export { type S3Place, type S3Settings, S3Store, s3Place } from './s3/index.ts';
