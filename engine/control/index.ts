export * from './applied.ts';
export * from './control.ts';
export * from './control-input.ts';
export * from './manual-control.ts';
export { MemoryObjectStore } from './memory-objects.ts';
export type { ObjectStore, StoredObject } from './object-store.ts';
export * from './watched-control.ts';
