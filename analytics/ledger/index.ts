export * from './event-rates.ts';
export * from './event-watermark.ts';
export * from './ledger-operator.ts';
export { readEventsAhead, readTenantWatermark } from './tenant-times.ts';
