export {
  apiSubject,
  jetStreamOf,
  jetStreamOptions,
  type NatsAccess,
  type NatsCredentials,
  type NatsServer,
  type NatsTls,
  newInbox,
  placed,
  placementOf,
  replicasFor,
  type StreamPlacement,
} from './access.ts';
export * from './connection.ts';
export {
  describe,
  isChannelFull,
  isConsumersFull,
  isForbidden,
  isInactiveTooLong,
  isNoMessage,
  isStreamNotFound,
  isUnanswered,
  isWrongLastSequence,
  noStream,
  refusal,
} from './nats-errors.ts';
export {
  canAimAnswers,
  checkPermissions,
  deniedOf,
  forbiddenToPublishers,
  oneOf,
  type Permission,
  type ServiceNeeds,
  sayPermission,
  servicePermissions,
} from './permissions.ts';
export { isStreamTaking, lookAtStream, type StreamLook } from './stream-look.ts';
export { smallerText } from './stream-room.ts';
export {
  ANOMALIES_STREAM,
  checkServerVersion,
  createStream,
  DEADLETTER_STREAM,
  type EnsuredStreams,
  type EnsureStreamsOptions,
  EVENTS_STREAM,
  ensureStream,
  ensureStreams,
  inspectStream,
  layoutOf,
  openManager,
  type StreamSpec,
  streamEnd,
  streamFacts,
} from './streams.ts';
export { covers, overlap, requirePatterns, requireStreamName } from './subjects.ts';
