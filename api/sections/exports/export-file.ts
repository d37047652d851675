import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { JobFile, JobFiles } from '../../../runtime/index.ts';

const pack = promisify(gzip);
/** What is held before it goes to the disk, characters or bytes. */
const FLUSH_CHARS = 1_048_576;

/** What a job's file is at a step of the job: bytes behind it are of work that was not kept. */
export interface FileMark {
  readonly name: string;
  readonly size_bytes: number;
}

/**
 * The file that one attempt of a job writes, from its beginning or from where another attempt left off. Packed, it is
 * a gzip member for each flush (RFC 1952 allows several), so that it can be gone on with.
 */
export class ExportFile {
  readonly #files: JobFiles;
  readonly #file: FileHandle;
  readonly #isPacked: boolean;
  #parts: (string | Uint8Array)[] = [];
  #held = 0;
  #mark: FileMark;

  private constructor(files: JobFiles, file: FileHandle, mark: FileMark, isPacked: boolean) {
    this.#files = files;
    this.#file = file;
    this.#mark = mark;
    this.#isPacked = isPacked;
  }

  /** Goes on with `from`, or, where that is not there, begins: its mark is at 0 then. */
  static async open(
    files: JobFiles,
    name: string,
    { from, isPacked }: { readonly from: FileMark | undefined; readonly isPacked: boolean },
  ): Promise<ExportFile> {
    const old = from === undefined ? undefined : await files.goOn(from.name, name, from.size_bytes);
    const file = old ?? (await files.create(name));
    const size_bytes = old === undefined ? 0 : (from?.size_bytes ?? 0);
    return new ExportFile(files, file, { name, size_bytes }, isPacked);
  }

  /** As of the last flush. */
  get mark(): FileMark {
    return this.#mark;
  }

  async write(part: string | Uint8Array): Promise<void> {
    this.#parts.push(part);
    this.#held += part.length;
    if (this.#held >= FLUSH_CHARS) await this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#held === 0) return;
    const texts = this.#parts.filter((part) => typeof part === 'string');
    const plain =
      texts.length === this.#parts.length
        ? Buffer.from(texts.join(''))
        : Buffer.concat(this.#parts.map((part) => Buffer.from(part)));
    this.#parts = [];
    this.#held = 0;
    const bytes = this.#isPacked ? await pack(plain) : plain;
    const { name, size_bytes } = this.#mark;
    this.#files.grow(size_bytes, bytes.length);
    for (let at = 0; at < bytes.length; ) {
      at += (await this.#file.write(bytes, at, bytes.length - at, size_bytes + at)).bytesWritten;
    }
    this.#mark = { name, size_bytes: size_bytes + bytes.length };
  }

  /** What was written outlives a power cut now. */
  async flush(): Promise<FileMark> {
    await this.#drain();
    await this.#file.sync();
    return this.#mark;
  }

  async finish(media_type: string): Promise<Pick<JobFile, 'name' | 'media_type' | 'size_bytes'>> {
    const mark = await this.flush();
    return { ...mark, media_type: this.#isPacked ? 'application/gzip' : media_type };
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
