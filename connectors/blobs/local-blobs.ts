import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MillraceError } from '../../engine/index.ts';
import type { BlobStore } from './blob-store.ts';

/** Ends the names of files that are being written. */
const PARTIAL = '.partial';

/** A folder of the disk. A file is written beside its place, synced, and renamed. */
export class LocalBlobs implements BlobStore {
  readonly url: string;

  constructor(path: string) {
    this.url = path;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.url, name);
    const folder = dirname(path);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await open(`${path}${PARTIAL}`, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}${PARTIAL}`, path);
      await syncFolder(folder);
    } catch (error) {
      throw named(error, path);
    }
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.url, name));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw named(error, join(this.url, name));
    }
  }

  async list(prefix: string): Promise<readonly string[]> {
    const base = prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : '';
    try {
      const found = await readdir(join(this.url, base), { recursive: true, withFileTypes: true });
      return found
        .filter((entry) => entry.isFile() && !entry.name.endsWith(PARTIAL))
        .map((entry) => join(entry.parentPath, entry.name).slice(join(this.url, '/').length))
        .filter((name) => name.startsWith(prefix))
        .sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw named(error, join(this.url, base));
    }
  }

  async remove(name: string): Promise<void> {
    const path = join(this.url, name);
    try {
      await rm(path, { force: true });
      await syncFolder(dirname(path));
    } catch (error) {
      if (!isAbsent(error)) throw named(error, path);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** So that a rename, or a removal, outlasts a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

const isAbsent = (error: unknown): boolean => codeOf(error) === 'ENOENT';

function named(cause: unknown, path: string): MillraceError {
  const code = String(codeOf(cause) ?? 'failed');
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new MillraceError('disk_full', `There is no room to write ${path}. Free some, and try again.`, {
      cause,
      retriable: true,
    });
  return new MillraceError(
    'archive_unreadable',
    `${path} cannot be read or written (${code}). Make it accessible to the service, and try again.`,
    { cause, retriable: true },
  );
}
