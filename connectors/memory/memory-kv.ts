import {
  type KeyValueChange,
  type KeyValueDelete,
  type KeyValueEntry,
  type KeyValueStore,
  type KeyValueWrite,
  MillraceError,
} from '../../engine/index.ts';

const KEY_MAX_CHARACTERS = 256;

/** Throws `kv_key_invalid` for an empty key and one of more than 256 characters. */
export function checkKey(key: string): void {
  if (key.length > 0 && key.length <= KEY_MAX_CHARACTERS) return;
  throw new MillraceError(
    'kv_key_invalid',
    `A key has 1 to ${KEY_MAX_CHARACTERS} characters, this one ${key.length}.`,
  );
}

/** Throws `kv_value_invalid` for what JSON cannot say: undefined, a function, a cycle, a bigint. */
export function encodeValue(key: string, value: unknown): string {
  let text: string | undefined;
  let cause: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    cause = error;
  }
  if (text !== undefined) return text;
  throw new MillraceError('kv_value_invalid', `The value for key "${key}" is not JSON.`, { cause });
}

/** Throws `kv_value_invalid` for text that is not JSON. */
export function decodeValue(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MillraceError('kv_value_invalid', `The stored value of key "${key}" is not JSON.`, { cause });
  }
}

export const byKey = (a: KeyValueEntry, b: KeyValueEntry): number =>
  a.key < b.key ? -1 : a.key > b.key ? 1 : 0;

interface Watcher {
  readonly onChange: (change: KeyValueChange) => void;
  readonly onError: (error: unknown) => void;
}

/** A bucket in this process's memory: for tests, and for runs that keep nothing. */
export class MemoryKeyValueStore implements KeyValueStore {
  readonly #rows = new Map<string, { readonly text: string; readonly revision: number }>();
  readonly #watchers = new Set<Watcher>();
  #revision = 0;

  async get(key: string): Promise<KeyValueEntry | undefined> {
    return this.#read(key);
  }

  async create(key: string, value: unknown): Promise<KeyValueWrite> {
    const text = encodeValue(key, value);
    const current = this.#read(key);
    return current === undefined ? this.#put(key, text) : { ok: false, current };
  }

  async update(key: string, value: unknown, revision: number): Promise<KeyValueWrite> {
    const text = encodeValue(key, value);
    const current = this.#read(key);
    return current?.revision === revision ? this.#put(key, text) : { ok: false, current };
  }

  async delete(key: string, revision?: number): Promise<KeyValueDelete> {
    const current = this.#read(key);
    if (revision !== undefined && current?.revision !== revision) return { ok: false, current };
    if (current !== undefined) {
      this.#rows.delete(key);
      this.#revision++;
      this.#announce({ kind: 'delete', key });
    }
    return { ok: true };
  }

  /** Memory is never deleted under a process. */
  async ensure(): Promise<boolean> {
    return false;
  }

  async incarnation(): Promise<string> {
    return 'memory';
  }

  async list(): Promise<readonly KeyValueEntry[]> {
    return this.#all();
  }

  async watch(
    onChange: (change: KeyValueChange) => void,
    onError: (error: unknown) => void,
  ): Promise<() => Promise<void>> {
    const watcher = { onChange, onError };
    const present = this.#all();
    this.#watchers.add(watcher);
    for (const entry of present) notify(watcher, { kind: 'put', ...entry });
    return async () => {
      this.#watchers.delete(watcher);
    };
  }

  // Reading and writing must not be parted by an await: that is what makes it a compare-and-set.
  #read(key: string): KeyValueEntry | undefined {
    checkKey(key);
    const row = this.#rows.get(key);
    return row === undefined ? undefined : { key, value: JSON.parse(row.text), revision: row.revision };
  }

  #all(): KeyValueEntry[] {
    return [...this.#rows.keys()].flatMap((key) => this.#read(key) ?? []).sort(byKey);
  }

  #put(key: string, text: string): KeyValueWrite {
    const revision = ++this.#revision;
    this.#rows.set(key, { text, revision });
    this.#announce({ kind: 'put', key, value: JSON.parse(text), revision });
    return { ok: true, revision };
  }

  /** Afterwards, as from a server: a watcher that writes must not be inside the write it is told of. */
  #announce(change: KeyValueChange): void {
    const told = [...this.#watchers];
    queueMicrotask(() => {
      for (const watcher of told) if (this.#watchers.has(watcher)) notify(watcher, change);
    });
  }
}

export function notify({ onChange, onError }: Watcher, change: KeyValueChange): void {
  try {
    onChange(change);
  } catch (error) {
    onError(error);
  }
}
