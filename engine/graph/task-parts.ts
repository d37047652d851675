import type { KvStore } from '../state/index.ts';

/** A task has a store of its own. */
const partsByStore = new WeakMap<KvStore, Map<string, unknown>>();

/** What the operators of the task with this store show each other in memory. */
export function partsOf(store: KvStore): Map<string, unknown> {
  const parts = partsByStore.get(store) ?? new Map<string, unknown>();
  partsByStore.set(store, parts);
  return parts;
}
