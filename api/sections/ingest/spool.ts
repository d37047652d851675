import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import {
  asMillraceError,
  type MetricSample,
  Metrics,
  PRIVATE_FILE_MODE,
  PRIVATE_FOLDER_MODE,
} from '../../../engine/index.ts';
import type { Settings } from '../../../runtime/index.ts';
import {
  ApiError,
  BodyWatch,
  bodyChunks,
  encodingOf,
  lengthOf,
  type RawCall,
  tooLarge,
  unreadable,
} from '../../http/index.ts';
import { partsOf, type SpoolPart } from './spool-parts.ts';

/** An upload of no job that has not changed for so long was interrupted by a crash. */
const ORPHAN_MIN_AGE_MS = 3_600_000;
/** What a file that is packed by gzip begins with. */
const GZIP_MAGIC = [0x1f, 0x8b] as const;

export interface Spooled {
  readonly size_bytes: number;
  /** Of the unpacked bytes. */
  readonly sha256: string;
}

type SpoolLimits = Settings['bulk'];

interface OnDisk {
  /** Unknown of an upload that another process took: it counts for all only. */
  readonly tenant: string | undefined;
  readonly size_bytes: number;
}

/** The call that uploads. */
export type Upload = Pick<RawCall, 'request' | 'tenant' | 'principal' | 'memory'>;

/** Uploads on disk, `<folder>/<job id>.ndjson`, until their job has worked them off. */
export class Spool {
  readonly #folder: string;
  readonly #limits: SpoolLimits;
  readonly #onDisk = new Map<string, OnDisk>();
  /** Uploads that are on their way, of all callers, of a tenant, of a key. */
  readonly #uploads = new Map<string, number>();
  readonly #metrics = new Metrics();

  constructor(folder: string, limits: SpoolLimits) {
    this.#folder = folder;
    this.#limits = limits;
    const gauge = this.#metrics.gauge.bind(this.#metrics);
    gauge('millrace.bulk.uploads', 'Bulk uploads that arrive', () => this.#uploads.get('all') ?? 0);
    gauge(
      'millrace.bulk.uploads.limit',
      'Bulk uploads that may arrive at once',
      () => limits.uploads_max.all,
    );
    gauge('millrace.bulk.spool.size', 'Bulk uploads on disk', () => this.size_bytes);
    gauge('millrace.bulk.spool.size.limit', 'They take at most so much', () => limits.spool_max_bytes);
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /**
   * Removes what no job needs any more: uploads that a crash interrupted. Another process may share the folder, and
   * be receiving: what is young stays. `needed` are tenants by the ids of their jobs.
   */
  async open(needed: ReadonlyMap<string, string>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    for (const name of await readdir(this.#folder)) {
      const id = name.replace(/\.ndjson$/, '');
      const path = join(this.#folder, name);
      try {
        const { size, mtimeMs } = await stat(path);
        if (needed.has(id)) this.#onDisk.set(id, { tenant: needed.get(id), size_bytes: size });
        else if (Date.now() - mtimeMs >= ORPHAN_MIN_AGE_MS) await rm(path, { force: true });
      } catch (error) {
        // A job that ended meanwhile has taken it along.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    }
  }

  get size_bytes(): number {
    return this.#sizeOf(undefined);
  }

  /** Of a tenant, or of all. */
  #sizeOf(wanted: string | undefined): number {
    let sum = 0;
    for (const { tenant, size_bytes } of this.#onDisk.values())
      if (wanted === undefined || tenant === wanted) sum += size_bytes;
    return sum;
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.ndjson`);
  }

  /** Writes a request's body to disk as it arrives, unpacked; nothing is left of one that fails. */
  async receive({ request, tenant, principal, memory }: Upload, id: string): Promise<Spooled> {
    const encoding = encodingOf(request);
    const declared = lengthOf(request);
    if (declared !== undefined && declared > this.#limits.upload_max_bytes) {
      throw tooLarge(this.#limits.upload_max_bytes);
    }
    const leave = this.#enter(tenant, principal.key_id);
    const end = memory.receive();
    let isSlow = false;
    try {
      // Gigabytes take their time; the rate is what bounds it.
      const chunks = bodyChunks(request, new BodyWatch(memory.pace, null));
      return await this.#write(chunks, id, tenant, encoding);
    } catch (error) {
      isSlow = error instanceof ApiError && error.code === 'body_too_slow';
      await this.remove(id);
      throw uploadError(error);
    } finally {
      end(isSlow);
      leave();
    }
  }

  /** Counts an upload, or throws 429 `too_busy`. */
  #enter(tenant: string, key: string): () => void {
    const places = { all: 'all', tenant: `tenant ${tenant}`, key: `key ${key}` } as const;
    const levels = ['key', 'tenant', 'all'] as const;
    for (const level of levels) {
      if ((this.#uploads.get(places[level]) ?? 0) < this.#limits.uploads_max[level]) continue;
      const whose = level === 'all' ? '' : ` of this ${level}`;
      throw new ApiError('too_busy', `As many uploads${whose} arrive as may. Try again when one is done.`, {
        retryAfter_s: 10,
      });
    }
    this.#requireSpace(tenant, 1);
    const change = (by: number): void => {
      for (const level of levels) {
        const count = (this.#uploads.get(places[level]) ?? 0) + by;
        if (count === 0) this.#uploads.delete(places[level]);
        else this.#uploads.set(places[level], count);
      }
    };
    change(1);
    return () => change(-1);
  }

  /** Throws 429 `too_busy` where the uploads on disk, of the tenant or of all, take as much as they may. */
  #requireSpace(tenant: string, room_bytes: number): void {
    const { spool_max_bytes, spool_tenant_max_bytes } = this.#limits;
    if (this.#sizeOf(tenant) + room_bytes > spool_tenant_max_bytes) throw spoolFull(' of this tenant');
    if (this.size_bytes + room_bytes > spool_max_bytes) throw spoolFull('');
  }

  async #write(
    body: AsyncGenerator<Uint8Array>,
    id: string,
    tenant: string,
    encoding: 'identity' | 'gzip',
  ): Promise<Spooled> {
    const hash = createHash('sha256');
    let size_bytes = 0;
    const file = await open(this.#path(id), 'w', PRIVATE_FILE_MODE);
    let failure: unknown;
    const keepChunk = async (chunk: Uint8Array): Promise<void> => {
      size_bytes += chunk.length;
      this.#onDisk.set(id, { tenant, size_bytes });
      if (size_bytes > this.#limits.upload_max_bytes) throw tooLarge(this.#limits.upload_max_bytes);
      this.#requireSpace(tenant, 0);
      hash.update(chunk);
      await file.appendFile(chunk);
    };
    const keep = async (chunks: AsyncIterable<Uint8Array>): Promise<void> => {
      try {
        for await (const chunk of chunks) await keepChunk(chunk);
      } catch (error) {
        // The pipeline may report that it was cut short instead of what cut it.
        failure = error;
        throw error;
      }
    };
    try {
      const { packed, chunks } = await peek(body);
      const source = Readable.from(chunks, { objectMode: false });
      // A .gz file is sent as it lies on a disk, without a word in the headers.
      if (packed || encoding === 'gzip') await pipeline(source, createGunzip(), keep);
      else await pipeline(source, keep);
      // The answer promises that the job will run: the file has to outlive a power cut.
      await file.sync();
    } catch (error) {
      throw failure ?? error;
    } finally {
      await file.close();
    }
    return { size_bytes, sha256: hash.digest('hex') };
  }

  async remove(id: string): Promise<void> {
    this.#onDisk.delete(id);
    await rm(this.#path(id), { force: true });
  }

  /** The bytes [start, end) of an upload. */
  bytes(id: string, start: number, end: number): AsyncIterable<Uint8Array> {
    return start < end ? createReadStream(this.#path(id), { start, end: end - 1 }) : Readable.from([]);
  }

  /** The lines of an upload, or the items of the array that it is, from an offset on. */
  parts(id: string, from_bytes: number, part_max_bytes: number): AsyncGenerator<SpoolPart> {
    return partsOf(this.#path(id), from_bytes, part_max_bytes);
  }
}

/** Looks at the first bytes of a body: whether they are those of gzip. */
async function peek(
  body: AsyncGenerator<Uint8Array>,
): Promise<{ readonly packed: boolean; readonly chunks: AsyncGenerator<Uint8Array> }> {
  let head = new Uint8Array();
  while (head.length < GZIP_MAGIC.length) {
    const { done, value } = await body.next();
    if (done === true) break;
    head = Buffer.concat([head, value]);
  }
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    if (head.length > 0) yield head;
    yield* body;
  };
  return { packed: GZIP_MAGIC.every((byte, index) => head[index] === byte), chunks: chunks() };
}

function spoolFull(whose: string): ApiError {
  return new ApiError(
    'too_busy',
    `The disk space for uploads${whose} is used up. Try again when some jobs are done.`,
    {
      retryAfter_s: 30,
    },
  );
}

function uploadError(error: unknown): Error {
  if (error instanceof ApiError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.startsWith('Z_') || code === 'ERR_TRAILING_JUNK_AFTER_STREAM_END') {
    return new ApiError('malformed_body', 'The body does not unpack as gzip. Send it whole, or unpacked.', {
      cause: error,
    });
  }
  // What the file system says is the server's trouble; everything else is a broken upload.
  const mine = error instanceof Error && 'syscall' in error && 'path' in error;
  return mine || code === 'ENOSPC' ? asMillraceError(error) : unreadable(error);
}
