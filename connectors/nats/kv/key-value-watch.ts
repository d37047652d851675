import { setTimeout as sleep } from 'node:timers/promises';
import { type KeyValueChange, type KeyValueEntry, MillraceError } from '../../../engine/index.ts';
import { decodeValue, notify } from '../../memory/index.ts';
import type { NatsLink } from '../client/index.ts';
import { JetStreamSource, type NatsRecord } from '../source/index.ts';

/** How long reading a whole bucket may take, ms. */
const READ_TIMEOUT_MS = 10_000;
const TAKE_MAX = 256;
const TAKE_WAIT_MS = 30_000;
const RESYNC_PAUSE_MS = 1_000;

export interface BucketContent {
  /** By key; each throws `kv_value_invalid` when its value is not JSON. */
  readonly entries: ReadonlyMap<string, () => KeyValueEntry>;
}

/** Reads all there is. Throws `kv_unavailable` when that takes more than 10 s. */
export async function readBucket(link: NatsLink, bucket: string): Promise<BucketContent> {
  const source = bucketSource(link, bucket);
  try {
    return { entries: await readAll(source, bucket) };
  } finally {
    await source.stop();
  }
}

/** A bucket is a stream in which a key's newest message replaces the others. */
const bucketSource = (link: NatsLink, bucket: string): JetStreamSource =>
  new JetStreamSource({ link, stream: `KV_${bucket}`, gaps: 'normal' });

/** Starts the source and reads what was in the bucket by then. */
async function readAll(source: JetStreamSource, bucket: string): Promise<Map<string, () => KeyValueEntry>> {
  const entries = new Map<string, () => KeyValueEntry>();
  const deadline_ms = performance.now() + READ_TIMEOUT_MS;
  await source.start(0);
  while (!source.state().caughtUp) {
    const left_ms = deadline_ms - performance.now();
    if (left_ms <= 0) {
      throw new MillraceError(
        'kv_unavailable',
        `Bucket "${bucket}" could not be read within ${READ_TIMEOUT_MS} ms.`,
        { retriable: true },
      );
    }
    // A bucket can become empty under the reader: nothing then wakes it, so it looks again by itself.
    for (const record of await source.take({ max: TAKE_MAX, wait_ms: Math.min(left_ms, 100) })) {
      const key = keyOf(record, bucket);
      if (isRemoval(record)) entries.delete(key);
      else entries.set(key, () => entryOf(key, record));
    }
  }
  return entries;
}

const isRemoval = (record: NatsRecord): boolean => {
  const operation = record.header('KV-Operation');
  // The server's own marker, of a key that went by age.
  return operation === 'DEL' || operation === 'PURGE' || record.header('Nats-Marker-Reason') !== undefined;
};

const entryOf = (key: string, record: NatsRecord): KeyValueEntry => ({
  key,
  value: decodeValue(key, Buffer.from(record.data).toString('utf8')),
  revision: record.sequence,
});

/** The key as it was before it was encoded for NATS; see encodeKey. */
function keyOf(record: NatsRecord, bucket: string): string {
  const encoded = record.subject.slice(`$KV.${bucket}.`.length);
  return Buffer.from(
    encoded.replace(/=([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8');
}

/** Tells of a bucket's content and changes until stopped, whatever happens to the server in between. */
export class BucketWatch {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #handlers: {
    readonly onChange: (change: KeyValueChange) => void;
    readonly onError: (error: unknown) => void;
  };
  readonly #stopping = new AbortController();
  /** Keys that were told of and not deleted since. */
  readonly #told = new Set<string>();
  /** Which bucket of the name those keys are of. */
  #incarnation: string | undefined;
  #source: JetStreamSource | undefined;
  #running: Promise<void> | undefined;

  constructor(
    link: NatsLink,
    bucket: string,
    handlers: {
      readonly onChange: (change: KeyValueChange) => void;
      readonly onError: (error: unknown) => void;
    },
  ) {
    this.#link = link;
    this.#bucket = bucket;
    this.#handlers = handlers;
  }

  /** Resolves when the content was told. */
  async start(): Promise<void> {
    const source = await this.#synchronise();
    this.#running = this.#follow(source);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#source?.stop();
    await this.#running;
  }

  /**
   * Reads the bucket anew and tells of it as changes: all it has, and what it has no more. What another bucket of
   * the name does not have was not deleted by anyone: it is told of as lost.
   */
  async #synchronise(): Promise<JetStreamSource> {
    const source = bucketSource(this.#link, this.#bucket);
    this.#source = source;
    try {
      const entries = await readAll(source, this.#bucket);
      const { incarnation } = await source.facts();
      const isAnother = this.#incarnation !== undefined && incarnation !== this.#incarnation;
      this.#incarnation = incarnation;
      for (const key of [...this.#told]) if (!entries.has(key)) this.#tellDelete(key, isAnother);
      for (const [key, read] of entries) this.#tellPut(key, read);
      return source;
    } catch (error) {
      await source.stop();
      throw error;
    }
  }

  async #follow(first: JetStreamSource): Promise<void> {
    let source: JetStreamSource | undefined = first;
    while (!this.#stopping.signal.aborted) {
      try {
        source ??= await this.#synchronise();
        for (const record of await source.take({ max: TAKE_MAX, wait_ms: TAKE_WAIT_MS })) {
          const key = keyOf(record, this.#bucket);
          if (isRemoval(record)) this.#tellDelete(key);
          else this.#tellPut(key, () => entryOf(key, record));
        }
      } catch (error) {
        // The bucket was made anew or has lost writes: what was told of it may be wrong.
        this.#handlers.onError(error);
        await source?.stop();
        source = undefined;
        await this.#pause();
      }
    }
  }

  async #pause(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      await sleep(RESYNC_PAUSE_MS, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #tellPut(key: string, read: () => KeyValueEntry): void {
    let entry: KeyValueEntry;
    try {
      entry = read();
    } catch (error) {
      this.#handlers.onError(error);
      return;
    }
    this.#told.add(key);
    notify(this.#handlers, { kind: 'put', ...entry });
  }

  #tellDelete(key: string, lost = false): void {
    if (!this.#told.delete(key)) return;
    notify(this.#handlers, lost ? { kind: 'delete', key, lost } : { kind: 'delete', key });
  }
}
