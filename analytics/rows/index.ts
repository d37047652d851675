export * from './row-schema.ts';
