import { createHash } from 'node:crypto';
import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from '@nats-io/jetstream';
import { headers, nuid } from 'nats';
import { MillraceError, type ObjectStore, type StoredObject } from '../../../engine/index.ts';
import {
  apiSubject,
  createStream,
  describe,
  isStreamNotFound,
  jetStreamOf,
  type NatsLink,
  openManager,
  placed,
  placementOf,
  refusal,
  type StreamPlacement,
  untilConnected,
} from '../client/index.ts';

const CHUNK_BYTES = 128 * 1024;
/** How long a request waits for a connection that was lost to come back, ms. */
const RECONNECT_WAIT_MS = 2_000;

/** In base64url with the padding, which `nats object` and the clients of NATS look for names with. */
function padded(bytes: Buffer): string {
  const text = bytes.toString('base64url');
  return text.padEnd(Math.ceil(text.length / 4) * 4, '=');
}

/** What the object store of NATS says of an object (ADR-20). */
interface ObjectInfo {
  readonly name: string;
  readonly bucket: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  /** `SHA-256=` and the hash in base64url, with its padding. */
  readonly digest: string;
  readonly mtime: string;
  readonly deleted?: boolean;
  readonly options?: { readonly max_chunk_size: number };
}

/**
 * A bucket of the object store of NATS, made when it is not there: as `nats object` reads and writes it (ADR-20, NATS
 * object store). Chunks are stored before the message that names them, so that a reader never sees half an object.
 */
export async function openObjectStore(
  link: NatsLink,
  bucket: string,
  options: StreamPlacement = {},
): Promise<ObjectStore> {
  const store = new NatsObjectStore(link, bucket, placed(link, options));
  await store.ensure();
  return store;
}

class NatsObjectStore implements ObjectStore {
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #placement: StreamPlacement & { readonly replicas?: number };

  constructor(link: NatsLink, bucket: string, placement: StreamPlacement) {
    this.#link = link;
    this.#bucket = bucket;
    this.#placement = placement;
  }

  ensure(): Promise<boolean> {
    return this.#reaching(async () => {
      const { replicas = 1, placement } = this.#placement;
      const config: Partial<StreamConfig> & { readonly name: string } = {
        ...{ name: this.#stream, subjects: [`$O.${this.#bucket}.C.>`, `$O.${this.#bucket}.M.>`] },
        ...{ retention: RetentionPolicy.Limits, storage: StorageType.File, discard: DiscardPolicy.New },
        ...{ allow_rollup_hdrs: true, allow_direct: true, num_replicas: replicas },
        ...placementOf({ placement }),
      };
      return await createStream(await openManager(this.#link), config);
    });
  }

  async put(name: string, bytes: Uint8Array): Promise<StoredObject> {
    await this.ensure();
    const before = await this.#infoOf(name);
    const id = nuid.next();
    const hash = createHash('sha256').update(bytes);
    const chunks = Math.ceil(bytes.length / CHUNK_BYTES);
    const sha256 = hash.copy().digest('hex');
    for (let at = 0; at < chunks; at++) {
      const chunk = bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES);
      // A chunk that is sent twice, as an answer was lost, is stored once.
      await this.#reaching(() =>
        jetStreamOf(this.#link).publish(`${this.#prefix}${this.#chunksOf(id)}`, chunk, {
          msgID: `${id}-${at}`,
        }),
      );
    }
    await this.#write({
      ...{ name, bucket: this.#bucket, nuid: id, size: bytes.length, chunks },
      ...{ digest: `SHA-256=${padded(hash.digest())}`, mtime: new Date().toISOString() },
      options: { max_chunk_size: CHUNK_BYTES },
    });
    if (before !== undefined) await this.#purge(before.nuid);
    return { size_bytes: bytes.length, sha256 };
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    const info = await this.#infoOf(name);
    if (info === undefined || info.deleted === true) return undefined;
    const parts: Uint8Array[] = [];
    let sequence = 1;
    for (let left = info.chunks; left > 0; left--) {
      const message = await this.#message({ seq: sequence, next_by_subj: this.#chunksOf(info.nuid) });
      if (message === undefined) break;
      parts.push(message.data);
      sequence = message.seq + 1;
    }
    const bytes = Buffer.concat(parts);
    // Clients write the padding of base64, some leave it away.
    const digest = `SHA-256=${createHash('sha256').update(bytes).digest('base64url')}`;
    if (info.digest.replace(/=+$/, '') === digest) return bytes;
    // Written anew meanwhile: the chunks that the first message named are gone.
    if ((await this.#infoOf(name))?.nuid !== info.nuid) return this.get(name);
    throw new MillraceError(
      'object_damaged',
      `The object "${name}" of the bucket "${this.#bucket}" is not what was stored: its chunks are gone or changed.`,
    );
  }

  async delete(name: string): Promise<void> {
    const info = await this.#infoOf(name);
    if (info === undefined || info.deleted === true) return;
    await this.#write({
      ...info,
      size: 0,
      chunks: 0,
      digest: '',
      deleted: true,
      mtime: new Date().toISOString(),
    });
    await this.#purge(info.nuid);
  }

  get #stream(): string {
    return `OBJ_${this.#bucket}`;
  }

  /** Through a domain's API, as for buckets of values, or plainly. */
  get #prefix(): string {
    return this.#link.access.domain === undefined ? '' : apiSubject(this.#link, '');
  }

  #chunksOf(id: string): string {
    return `$O.${this.#bucket}.C.${id}`;
  }

  #infoSubject(name: string): string {
    return `$O.${this.#bucket}.M.${padded(Buffer.from(name))}`;
  }

  async #infoOf(name: string): Promise<ObjectInfo | undefined> {
    const message = await this.#message({ last_by_subj: this.#infoSubject(name) });
    return message === undefined
      ? undefined
      : (JSON.parse(Buffer.from(message.data).toString()) as ObjectInfo);
  }

  async #write(info: ObjectInfo): Promise<void> {
    const rolled = headers();
    rolled.set('Nats-Rollup', 'sub');
    const subject = `${this.#prefix}${this.#infoSubject(info.name)}`;
    await this.#reaching(() =>
      jetStreamOf(this.#link).publish(subject, JSON.stringify(info), { headers: rolled }),
    );
  }

  async #purge(id: string): Promise<void> {
    await this.#reaching(async () => {
      const manager = await openManager(this.#link);
      await manager.streams.purge(this.#stream, { filter: this.#chunksOf(id) });
    });
  }

  async #message(
    query: { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj: string },
  ): Promise<{ readonly seq: number; readonly data: Uint8Array } | undefined> {
    return this.#reaching(async () => {
      const manager = await openManager(this.#link);
      try {
        return (await manager.streams.getMessage(this.#stream, query)) ?? undefined;
      } catch (error) {
        if (isStreamNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  /** Runs a request; what is not a named error becomes `objects_unavailable`. */
  async #reaching<T>(request: () => Promise<T>): Promise<T> {
    if (!(await untilConnected(this.#link, RECONNECT_WAIT_MS))) {
      throw this.#unavailable(`there is no connection to ${this.#link.url}`);
    }
    try {
      return await request();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw refusal(error, this.#bucket) ?? this.#unavailable(describe(error), error);
    }
  }

  #unavailable(why: string, cause?: unknown): MillraceError {
    const message = `The objects of "${this.#bucket}" cannot be reached now: ${why}. Try again.`;
    return new MillraceError('objects_unavailable', message, { cause, retriable: true });
  }
}
