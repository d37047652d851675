export * from './answers/index.ts';
export * from './definitions/index.ts';
export * from './generations/index.ts';
export * from './host/index.ts';
export * from './metrics/index.ts';
export * from './orders/index.ts';
export * from './run/index.ts';
export * from './settings/index.ts';
