export { openMessageQueue } from './nats-queue.ts';
export {
  AUDIT_STREAM,
  DELIVERIES_STREAM,
  NOTICES_STREAM,
  type QueueStream,
  SINKS_STREAM,
} from './queue-streams.ts';
