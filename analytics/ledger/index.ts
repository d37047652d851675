export * from './event-rates.ts';
export * from './event-watermark.ts';
export * from './ledger-operator.ts';
