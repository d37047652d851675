export { openMessageQueue } from './nats-queue.ts';
export { DELIVERIES_STREAM, NOTICES_STREAM, type QueueStream } from './queue-streams.ts';
