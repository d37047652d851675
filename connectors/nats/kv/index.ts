export { type KeyValueOptions, openKeyValueStore } from './key-value-store.ts';
