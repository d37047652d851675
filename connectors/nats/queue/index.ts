export { openMessageQueue } from './nats-queue.ts';
export { AUDIT_STREAM, DELIVERIES_STREAM, NOTICES_STREAM, type QueueStream } from './queue-streams.ts';
