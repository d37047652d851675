import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { type KV, type KvEntry, Kvm } from '@nats-io/kv';
import { nanos } from 'nats';
import {
  type KeyValueChange,
  type KeyValueConflict,
  type KeyValueDelete,
  type KeyValueEntry,
  type KeyValueStore,
  type KeyValueWrite,
  MillraceError,
} from '../../../engine/index.ts';
import { byKey, checkKey, decodeValue, encodeValue } from '../../memory/index.ts';
import {
  createStream,
  describe,
  isStreamNotFound,
  isWrongLastSequence,
  jetStreamOf,
  type NatsLink,
  openManager,
  placed,
  placementOf,
  refusal,
  type StreamPlacement,
  streamFacts,
  untilConnected,
} from '../client/index.ts';
import { BucketWatch, readBucket } from './key-value-watch.ts';

export interface KeyValueOptions extends StreamPlacement {
  /** Age after which an entry goes, ms; default: never. */
  readonly ttl_ms?: number;
}

/** How long a request waits for a connection that was lost to come back, ms. */
const RECONNECT_WAIT_MS = 2_000;

/**
 * A NATS KV bucket, created when it is not there. Throws `kv_unavailable` (retriable) when the server
 * cannot be reached.
 */
export async function openKeyValueStore(
  link: NatsLink,
  bucket: string,
  options: KeyValueOptions = {},
): Promise<KeyValueStore> {
  const settings = placed(link, options);
  const kv = await reaching(link, bucket, () =>
    new Kvm(jetStreamOf(link)).create(bucket, {
      history: 1,
      ...(options.ttl_ms === undefined ? {} : { ttl: options.ttl_ms }),
      storage: StorageType.File,
      replicas: settings.replicas ?? 1,
      ...placementOf(settings),
      // A direct read may be answered by a replica that is behind the write which the caller has seen.
      allow_direct: false,
    }),
  );
  return new NatsKeyValueStore(link, bucket, settings, kv);
}

class NatsKeyValueStore implements KeyValueStore {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #options: KeyValueOptions;
  readonly #kv: KV;

  constructor(link: NatsLink, bucket: string, options: KeyValueOptions, kv: KV) {
    this.#link = link;
    this.#bucket = bucket;
    this.#options = options;
    this.#kv = kv;
  }

  async get(key: string): Promise<KeyValueEntry | undefined> {
    const entry = await this.#reaching(() => this.#kv.get(encodeKey(key)));
    return entry === null || isRemoval(entry)
      ? undefined
      : { key, value: decodeValue(key, entry.string()), revision: entry.revision };
  }

  async create(key: string, value: unknown): Promise<KeyValueWrite> {
    const text = encodeValue(key, value);
    return await this.#comparing(key, async () => {
      return { ok: true, revision: await this.#kv.create(encodeKey(key), text) };
    });
  }

  async update(key: string, value: unknown, revision: number): Promise<KeyValueWrite> {
    const text = encodeValue(key, value);
    if (!isRevision(revision)) return await this.#conflict(key);
    return await this.#comparing(key, async () => {
      return { ok: true, revision: await this.#kv.update(encodeKey(key), text, revision) };
    });
  }

  async delete(key: string, revision?: number): Promise<KeyValueDelete> {
    if (revision !== undefined && !isRevision(revision)) return await this.#conflict(key);
    const current = await this.get(key);
    // A second marker would only wake the watchers; and one of an absent key has no revision to lose to.
    if (current === undefined) return revision === undefined ? { ok: true } : { ok: false, current };
    const options = revision === undefined ? {} : { previousSeq: revision };
    return await this.#comparing(key, async () => {
      await this.#kv.delete(encodeKey(key), options);
      return { ok: true };
    });
  }

  async ensure(after_revision: number): Promise<boolean> {
    return await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      return await createStream(manager, bucketStream(this.#bucket, this.#options, after_revision + 1));
    });
  }

  async incarnation(): Promise<string> {
    return await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      return (await streamFacts(manager, `KV_${this.#bucket}`)).incarnation;
    });
  }

  async list(): Promise<readonly KeyValueEntry[]> {
    const { entries } = await this.#reaching(() => readBucket(this.#link, this.#bucket));
    return [...entries.values()].map((read) => read()).sort(byKey);
  }

  async watch(
    onChange: (change: KeyValueChange) => void,
    onError: (error: unknown) => void,
  ): Promise<() => Promise<void>> {
    const watch = new BucketWatch(this.#link, this.#bucket, { onChange, onError });
    await this.#reaching(() => watch.start());
    return () => watch.stop();
  }

  async #comparing<T>(key: string, write: () => Promise<T>): Promise<T | KeyValueConflict> {
    try {
      return await this.#reaching(write);
    } catch (error) {
      if (error instanceof MillraceError && isWrongLastSequence(error.cause))
        return await this.#conflict(key);
      throw error;
    }
  }

  #reaching<T>(request: () => Promise<T>): Promise<T> {
    return reaching(this.#link, this.#bucket, request);
  }

  async #conflict(key: string): Promise<KeyValueConflict> {
    return { ok: false, current: await this.get(key) };
  }
}

/** The stream of a bucket as `openKeyValueStore` makes it, with the revision that it begins with. */
const bucketStream = (
  bucket: string,
  { ttl_ms, replicas = 1, placement }: KeyValueOptions,
  first_seq: number,
): Partial<StreamConfig> & { readonly name: string } => ({
  name: `KV_${bucket}`,
  subjects: [`$KV.${bucket}.>`],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.New,
  max_msgs_per_subject: 1,
  ...(ttl_ms === undefined ? {} : { max_age: nanos(ttl_ms) }),
  num_replicas: replicas,
  ...placementOf({ placement }),
  allow_rollup_hdrs: true,
  allow_direct: false,
  first_seq,
});

const isRemoval = (entry: KvEntry): boolean => entry.operation === 'DEL' || entry.operation === 'PURGE';

const isRevision = (revision: number): boolean => Number.isSafeInteger(revision) && revision > 0;

/** Runs a request; what is not a named error becomes `kv_unavailable`, or what the server said of it. */
async function reaching<T>(link: NatsLink, bucket: string, request: () => Promise<T>): Promise<T> {
  // A request that is made without a connection is dropped, and would only time out when there is one.
  if (!(await untilConnected(link, RECONNECT_WAIT_MS))) {
    throw unavailable(bucket, `there is no connection to ${link.url}`);
  }
  try {
    return await request();
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    if (isStreamNotFound(error)) throw unavailable(bucket, 'it is not on the server, it was deleted', error);
    const refused = refusal(error, bucket);
    if (refused !== undefined) throw refused;
    throw unavailable(bucket, describe(error), error);
  }
}

const unavailable = (bucket: string, why: string, cause?: unknown): MillraceError =>
  new MillraceError('kv_unavailable', `Bucket "${bucket}" cannot be used now: ${why}. Try again.`, {
    cause,
    retriable: true,
  });

const PLAIN = /[A-Za-z0-9_-]/;

/**
 * A key as NATS takes it: `[A-Za-z0-9_.-]` stand for themselves, every other byte of the UTF-8 text is
 * `=` and two hex digits, and so is a dot at an end or after another. Throws `kv_key_invalid`.
 */
export function encodeKey(key: string): string {
  checkKey(key);
  let encoded = '';
  for (const [index, character] of [...key].entries()) {
    const isDotInside = character === '.' && index > 0 && !encoded.endsWith('.');
    if (PLAIN.test(character) || isDotInside) encoded += character;
    else for (const byte of Buffer.from(character)) encoded += `=${byte.toString(16).padStart(2, '0')}`;
  }
  return encoded.endsWith('.') ? `${encoded.slice(0, -1)}=2e` : encoded;
}
