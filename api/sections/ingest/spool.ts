import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { asMillraceError, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../../../engine/index.ts';
import { ApiError, bodyChunks, encodingOf, lengthOf, tooLarge, unreadable } from '../../http/index.ts';
import { partsOf, type SpoolPart } from './spool-parts.ts';

/** Uploads that are written to disk at once. */
const MAX_UPLOADS = 8;
/** An upload of no job that has not changed for so long was interrupted by a crash. */
const ORPHAN_MIN_AGE_MS = 3_600_000;
/** What a file that is packed by gzip begins with. */
const GZIP_MAGIC = [0x1f, 0x8b] as const;

export interface Spooled {
  readonly size_bytes: number;
  /** Of the unpacked bytes. */
  readonly sha256: string;
}

export interface SpoolLimits {
  readonly upload_max_bytes: number;
  readonly spool_max_bytes: number;
}

/** Uploads on disk, `<folder>/<job id>.ndjson`, until their job has worked them off. */
export class Spool {
  readonly #folder: string;
  readonly #limits: SpoolLimits;
  readonly #sizes_bytes = new Map<string, number>();
  #uploads = 0;

  constructor(folder: string, limits: SpoolLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /**
   * Removes what no job needs any more: uploads that a crash interrupted. Another process may share the folder, and
   * be receiving: what is young stays.
   */
  async open(needed: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    for (const name of await readdir(this.#folder)) {
      const id = name.replace(/\.ndjson$/, '');
      const path = join(this.#folder, name);
      try {
        const { size, mtimeMs } = await stat(path);
        if (needed.has(id)) this.#sizes_bytes.set(id, size);
        else if (Date.now() - mtimeMs >= ORPHAN_MIN_AGE_MS) await rm(path, { force: true });
      } catch (error) {
        // A job that ended meanwhile has taken it along.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
      }
    }
  }

  get size_bytes(): number {
    let sum = 0;
    for (const size of this.#sizes_bytes.values()) sum += size;
    return sum;
  }

  #path(id: string): string {
    return join(this.#folder, `${id}.ndjson`);
  }

  /** Writes a request's body to disk as it arrives, unpacked; nothing is left of one that fails. */
  async receive(request: Request, id: string): Promise<Spooled> {
    const encoding = encodingOf(request);
    const declared = lengthOf(request);
    if (declared !== undefined && declared > this.#limits.upload_max_bytes) {
      throw tooLarge(this.#limits.upload_max_bytes);
    }
    if (this.#uploads >= MAX_UPLOADS || this.size_bytes >= this.#limits.spool_max_bytes) {
      throw new ApiError(
        'too_busy',
        'As many uploads are on disk or on their way as may be. Try again later.',
        {
          retryAfter_s: 10,
        },
      );
    }
    this.#uploads++;
    try {
      return await this.#write(request, id, encoding);
    } catch (error) {
      await this.remove(id);
      throw uploadError(error);
    } finally {
      this.#uploads--;
    }
  }

  async #write(request: Request, id: string, encoding: 'identity' | 'gzip'): Promise<Spooled> {
    const hash = createHash('sha256');
    let size_bytes = 0;
    const file = await open(this.#path(id), 'w', PRIVATE_FILE_MODE);
    let failure: unknown;
    const keepChunk = async (chunk: Uint8Array): Promise<void> => {
      size_bytes += chunk.length;
      this.#sizes_bytes.set(id, size_bytes);
      if (size_bytes > this.#limits.upload_max_bytes) throw tooLarge(this.#limits.upload_max_bytes);
      if (this.size_bytes > this.#limits.spool_max_bytes) throw spoolFull();
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
      const { packed, chunks } = await peek(bodyChunks(request));
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
    this.#sizes_bytes.delete(id);
    await rm(this.#path(id), { force: true });
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

function spoolFull(): ApiError {
  return new ApiError(
    'too_busy',
    'The disk space for uploads is used up. Try again when some jobs are done.',
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
