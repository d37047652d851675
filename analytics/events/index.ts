export * from './decode-events.ts';
export * from './event-batch.ts';
export * from './event-schema.ts';
export * from './event-types.ts';
export * from './order-event.ts';
export * from './rfc3339.ts';
