/** What is known of a stored object. */
export interface StoredObject {
  readonly size_bytes: number;
  /** SHA-256 of its bytes, hex. */
  readonly sha256: string;
}

/**
 * Objects of bytes by name, too large for a value of a bucket. Methods throw `objects_unavailable` (retriable) when the
 * store cannot be reached; a write then without knowing whether it was done, and a repeat is harmless.
 */
export interface ObjectStore {
  /** Takes the place of an object of the name. Readers see the old one or the new one. */
  put(name: string, bytes: Uint8Array): Promise<StoredObject>;
  /** undefined: there is none. Throws `object_damaged` where its bytes are not what was stored. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** What is gone is gone. */
  delete(name: string): Promise<void>;
}
