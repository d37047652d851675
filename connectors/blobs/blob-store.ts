/**
 * Files by name in a folder or a bucket. Names are relative, with `/` between their parts. A file is there whole or not
 * at all, and is durable when `put` resolves. Methods throw `disk_full`, `s3_failed` and `archive_unreadable`.
 */
export interface BlobStore {
  /** For people: the path, or `s3://bucket/prefix`. */
  readonly url: string;
  /** Replaces what was there. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** undefined: there is none. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Names that begin so, in order. */
  list(prefix: string): Promise<readonly string[]>;
  /** None there is no error. */
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}
