export { MemoryKeyValueStore } from './memory-kv.ts';
export { connectNats, type LinkOptions, type LinkStatus, type NatsLink } from './nats/connection.ts';
export * from './nats/embedded/index.ts';
export { jetstreamDoc } from './nats/jetstream-doc.ts';
export { type KeyValueOptions, openKeyValueStore } from './nats/kv.ts';
export {
  DEFAULT_EVENT_PUBLISHER_LIMITS,
  type EventMessage,
  EventPublisher,
  type EventPublisherLimits,
  JetStreamPublisher,
  type PublishResult,
} from './nats/publisher.ts';
export { DEFAULT_PULL_LIMITS, type PullLimits } from './nats/pull-session.ts';
export {
  type JetStreamInput,
  type JetStreamInputOptions,
  jetstream,
  jetstreamInputs,
  type RunningTopology,
  type RunOptions,
  run,
} from './nats/run.ts';
export { JetStreamSource, type JetStreamSourceOptions, type SourceDiagnostics } from './nats/source.ts';
export {
  checkServerVersion,
  DEADLETTER_STREAM,
  type EnsuredStreams,
  type EnsureStreamsOptions,
  EVENTS_STREAM,
  ensureStream,
  ensureStreams,
  inspectStream,
  openManager,
  type StreamSpec,
  streamFacts,
} from './nats/streams.ts';
export { ThreadedSource, type ThreadedSourceOptions } from './nats/threaded-source.ts';
