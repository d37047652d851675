export * from './ledger.ts';
export * from './record-heap.ts';
