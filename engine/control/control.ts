/** One value of a bucket. Values are JSON. */
export interface KeyValueEntry {
  readonly key: string;
  readonly value: unknown;
  /** Grows with every write of the bucket; names this write of the key. */
  readonly revision: number;
}

/** A compare-and-set that lost is an answer, not an exception; `current` is what is there now. */
export interface KeyValueConflict {
  readonly ok: false;
  readonly current: KeyValueEntry | undefined;
}

export type KeyValueWrite = { readonly ok: true; readonly revision: number } | KeyValueConflict;

export type KeyValueDelete = { readonly ok: true } | KeyValueConflict;

export type KeyValueChange =
  | { readonly kind: 'put'; readonly key: string; readonly value: unknown; readonly revision: number }
  | {
      readonly kind: 'delete';
      readonly key: string;
      /** Nobody deleted it: the bucket is another one than that which had it, made again under its name. */
      readonly lost?: true;
    };

/**
 * A bucket of definitions that any number of processes change by compare-and-set and watch.
 *
 * Keys are any strings of 1 to 256 characters, values anything that JSON can say. Every method throws
 * `kv_unavailable` (retriable) when the store cannot be reached, a write then without knowing whether it
 * was done; `kv_key_invalid` and `kv_value_invalid` for what cannot be stored or read.
 */
export interface KeyValueStore {
  get(key: string): Promise<KeyValueEntry | undefined>;
  /** Conflicts when the key has a value. */
  create(key: string, value: unknown): Promise<KeyValueWrite>;
  /** Conflicts unless the key's value is of this revision. */
  update(key: string, value: unknown, revision: number): Promise<KeyValueWrite>;
  /** Conflicts, if a revision is given, unless the key's value is of it. Without one: gone is gone. */
  delete(key: string, revision?: number): Promise<KeyValueDelete>;
  /**
   * Makes the bucket again if it was deleted; its revisions then go on behind `after_revision`. True: this
   * call made it, and it is empty.
   */
  ensure(after_revision: number): Promise<boolean>;
  /** Which bucket of the name it is: another text when it was deleted and made again. */
  incarnation(): Promise<string>;
  /** All values, by key in code-unit order. */
  list(): Promise<readonly KeyValueEntry[]>;
  /**
   * Calls `onChange` for each value there is, then resolves; from then on for each change, in order for
   * each key, until the returned function is called. Of changes in quick succession, or while the store
   * could not be reached, only the last of a key is sure to be seen. `onError` gets what could not be read
   * and what `onChange` throws; watching goes on.
   */
  watch(
    onChange: (change: KeyValueChange) => void,
    onError: (error: unknown) => void,
  ): Promise<() => Promise<void>>;
}
