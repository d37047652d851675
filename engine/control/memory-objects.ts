import { createHash } from 'node:crypto';
import type { ObjectStore, StoredObject } from './object-store.ts';

/** Objects in memory: what the store of NATS does, without it. */
export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, Uint8Array>();

  async put(name: string, bytes: Uint8Array): Promise<StoredObject> {
    this.#objects.set(name, bytes.slice());
    return { size_bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return this.#objects.get(name)?.slice();
  }

  async delete(name: string): Promise<void> {
    this.#objects.delete(name);
  }
}
