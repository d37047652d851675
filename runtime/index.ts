export * from './definitions/index.ts';
export * from './settings/index.ts';
