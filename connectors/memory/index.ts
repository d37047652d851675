export * from './memory-kv.ts';
