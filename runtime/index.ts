export * from './definitions/index.ts';
export * from './jobs/index.ts';
export * from './metrics/index.ts';
