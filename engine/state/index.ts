export * from './generation.ts';
export * from './kv.ts';
export { HEAD_BYTES } from './long-keys.ts';
export { decodeRow } from './migration.ts';
export * from './schema-version.ts';
export * from './store-lmdb.ts';
export * from './store-memory.ts';
export * from './tables.ts';
export * from './ttl.ts';
