export * from './dictionary.ts';
export * from './row-batch.ts';
