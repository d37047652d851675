import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { asMillraceError, MillraceError } from '../../engine/index.ts';

/** SHA-256 of a file in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** A file or a folder is on the disk when this resolves. */
export async function synced(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function isEmptyFolder(path: string): boolean {
  return !existsSync(path) || readdirSync(path).length === 0;
}

/** Does the work on a folder of its own; where it fails, the folder goes, and a full disk is named as what it is. */
export async function inNewFolder<T>(folder: string, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    await rm(folder, { recursive: true, force: true });
    const error = asMillraceError(thrown);
    if (error.code !== 'disk_full') throw error;
    throw new MillraceError(
      'disk_full',
      `The disk of ${folder} is full: ${what}, and what was written of it is removed. Free space, or take another folder.`,
      { cause: thrown },
    );
  }
}
