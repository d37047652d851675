export * from './dictionary.ts';
export * from './row-batch.ts';
export * from './scan-types.ts';
