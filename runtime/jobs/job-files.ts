import { constants } from 'node:fs';
import { chmod, copyFile, type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../../engine/index.ts';
import { JobError } from './job-error.ts';
import { ORPHAN_MIN_AGE_MS } from './job-limits.ts';
import type { JobFile, JobRecord } from './job-record.ts';

const READ_BYTES = 262_144;

export interface JobFileLimits {
  /** Of one file. */
  readonly file_max_bytes: number;
  /** Of all files of the folder. */
  readonly files_max_bytes: number;
}

/** What jobs have written, `<data folder>/job-files/<job id>.<attempt>.<ending>`; read by their owner only. */
export class JobFiles {
  readonly disk: string;
  readonly #folder: string;
  readonly #limits: JobFileLimits;
  #size_bytes = 0;

  constructor(folder: string, disk: string, limits: JobFileLimits) {
    this.#folder = folder;
    this.disk = disk;
    this.#limits = limits;
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    await this.#measure();
  }

  /** Of all files, as of the last sweep and what was written since. */
  get size_bytes(): number {
    return this.#size_bytes;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** Counts bytes that a file grows by. Throws `file_too_large` and `job_files_full`. */
  grow(file_bytes: number, by_bytes: number): void {
    const { file_max_bytes, files_max_bytes } = this.#limits;
    if (file_bytes + by_bytes > file_max_bytes) {
      const message = `The file grows beyond ${file_max_bytes} bytes. Ask for less, or set JOB_FILE_MAX_BYTES higher.`;
      throw new MillraceError('file_too_large', message);
    }
    if (this.#size_bytes + by_bytes > files_max_bytes) {
      const message = `The files of jobs take ${files_max_bytes} bytes of disk already. Try again when some have expired, or set JOB_FILES_MAX_BYTES higher.`;
      throw new MillraceError('job_files_full', message);
    }
    this.#size_bytes += by_bytes;
  }

  /** A new file, for its owner only. */
  async create(name: string): Promise<FileHandle> {
    const file = await open(this.path(name), 'w', PRIVATE_FILE_MODE);
    await file.chmod(PRIVATE_FILE_MODE);
    return file;
  }

  /**
   * A copy of the first bytes of another attempt's file, to go on with: whoever wrote that one may not know yet that
   * it is over. undefined when it is not there, or shorter.
   */
  async goOn(from: string, name: string, size_bytes: number): Promise<FileHandle | undefined> {
    try {
      if ((await stat(this.path(from))).size < size_bytes) return undefined;
      if (from !== name) await copyFile(this.path(from), this.path(name), constants.COPYFILE_FICLONE);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    await chmod(this.path(name), PRIVATE_FILE_MODE);
    const file = await open(this.path(name), 'r+');
    await file.truncate(size_bytes);
    if (from !== name) await this.remove(from);
    return file;
  }

  async remove(name: string): Promise<void> {
    const size_bytes = (await stat(this.path(name)).catch(absent))?.size ?? 0;
    await rm(this.path(name), { force: true });
    this.#size_bytes -= Math.min(size_bytes, this.#size_bytes);
  }

  /** Removes what a job that is over has written, but for its file. */
  async free({ job_id, file }: Pick<JobRecord, 'job_id' | 'file'>): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (name.startsWith(`${job_id}.`) && name !== file?.name) await this.remove(name);
    }
  }

  /**
   * The bytes of a job's file. Throws `expired`, `file_elsewhere` when another host has it, and `job_file_damaged`
   * when it is not what the job wrote: nothing is served by halves.
   */
  async serve(
    { name, size_bytes, disk, expires_at_ms }: JobFile,
    now_ms: number,
  ): Promise<ReadableStream<Uint8Array>> {
    if (expires_at_ms <= now_ms) throw expired();
    if (disk !== this.disk) {
      throw new JobError(
        'file_elsewhere',
        'The file lies on the host that ran the job. Ask the service there for it.',
      );
    }
    let file: FileHandle;
    try {
      file = await open(this.path(name), 'r');
    } catch (error) {
      if (isMissing(error)) throw expired();
      throw error;
    }
    if ((await file.stat()).size === size_bytes) return bytesOf(file);
    await file.close();
    throw new MillraceError(
      'job_file_damaged',
      `The job's file ${name} is not as long as it was. Run the job again.`,
    );
  }

  /** Removes what has expired, and what no job knows of; `keeps` tells by name. */
  async sweep(
    keeps: (name: string) => boolean,
    isExpired: (name: string) => boolean,
    now_ms: number,
  ): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      if (keeps(name)) continue;
      const changed_ms = (await stat(this.path(name)).catch(absent))?.mtimeMs ?? now_ms;
      if (isExpired(name) || now_ms - changed_ms >= ORPHAN_MIN_AGE_MS) await this.remove(name);
    }
    await this.#measure();
  }

  async #measure(): Promise<void> {
    let sum = 0;
    for (const name of await readdir(this.#folder))
      sum += (await stat(this.path(name)).catch(absent))?.size ?? 0;
    this.#size_bytes = sum;
  }
}

function expired(): JobError {
  return new JobError('expired', 'The file has expired: it was kept for 24 hours. Run the job again.');
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Another process may have swept it meanwhile. */
function absent(error: unknown): undefined {
  if (isMissing(error)) return undefined;
  throw error;
}

/** A file's bytes as they are asked for; closed at its end and when the reader leaves. */
function bytesOf(file: FileHandle): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { bytesRead, buffer } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES);
        if (bytesRead > 0) return controller.enqueue(buffer.subarray(0, bytesRead));
        await file.close();
        controller.close();
      },
      cancel: () => file.close(),
    },
    { highWaterMark: 0 },
  );
}
