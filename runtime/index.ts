export * from './definitions/index.ts';
export * from './metrics/index.ts';
export * from './settings/index.ts';
