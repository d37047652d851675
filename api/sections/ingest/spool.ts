import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { asMillraceError } from '../../../engine/index.ts';
import { ApiError, bodyChunks, encodingOf, lengthOf, tooLarge, unreadable } from '../../http/index.ts';

/** Uploads that are written to disk at once. */
const MAX_UPLOADS = 8;
const READ_BYTES = 262_144;
const NEWLINE = 0x0a;

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

  /** Removes what no job needs any more: uploads that a crash interrupted. */
  async open(needed: ReadonlySet<string>): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    for (const name of await readdir(this.#folder)) {
      const id = name.replace(/\.ndjson$/, '');
      if (!needed.has(id)) await rm(join(this.#folder, name), { force: true });
      else {
        const file = await open(this.#path(id));
        this.#sizes_bytes.set(id, (await file.stat()).size);
        await file.close();
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
    const file = await open(this.#path(id), 'w');
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
      const source = Readable.from(bodyChunks(request), { objectMode: false });
      if (encoding === 'gzip') await pipeline(source, createGunzip(), keep);
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

  lines(id: string, from_bytes: number, line_max_bytes: number): AsyncGenerator<SpoolLine> {
    return linesOf(this.#path(id), from_bytes, line_max_bytes);
  }
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

export interface SpoolLine {
  /** Without its line end; undefined when it is longer than allowed. */
  readonly bytes: Uint8Array | undefined;
  /** Where the next line begins. */
  readonly end_bytes: number;
}

/** The lines of a file from an offset on, reading a block at a time; long ones are skipped, not held. */
async function* linesOf(path: string, from_bytes: number, line_max_bytes: number): AsyncGenerator<SpoolLine> {
  const file = await open(path);
  try {
    let rest: Uint8Array = new Uint8Array();
    let skipping = false;
    let at_bytes = from_bytes;
    for (let read_bytes = from_bytes; ; ) {
      const block = Buffer.allocUnsafe(READ_BYTES);
      const { bytesRead } = await file.read(block, 0, READ_BYTES, read_bytes);
      read_bytes += bytesRead;
      const fresh = block.subarray(0, bytesRead);
      const data = rest.length === 0 ? fresh : Buffer.concat([rest, fresh]);
      let start = 0;
      for (let end = data.indexOf(NEWLINE); end !== -1; end = data.indexOf(NEWLINE, start)) {
        const line = data.subarray(start, end);
        at_bytes += end + 1 - start;
        start = end + 1;
        yield { bytes: skipping || line.length > line_max_bytes ? undefined : line, end_bytes: at_bytes };
        skipping = false;
      }
      rest = data.subarray(start);
      if (bytesRead === 0) {
        const bytes = skipping || rest.length > line_max_bytes ? undefined : rest;
        if (skipping || rest.length > 0) yield { bytes, end_bytes: at_bytes + rest.length };
        return;
      }
      if (rest.length > line_max_bytes) {
        at_bytes += rest.length;
        rest = new Uint8Array();
        skipping = true;
      }
    }
  } finally {
    await file.close();
  }
}
