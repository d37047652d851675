export * from './event-rates.ts';
export * from './event-watermark.ts';
export * from './ledger-operator.ts';
export { OrderBegins } from './order-entries.ts';
export { readEventsAhead, readTenantWatermark } from './tenant-times.ts';
