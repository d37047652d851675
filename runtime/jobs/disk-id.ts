import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../../engine/index.ts';

const NAME = 'disk-id';

/**
 * The name of a data folder, made when it is first asked for: processes that share the folder share the name, so a
 * job whose input lies in it is known to be theirs.
 */
export async function diskIdOf(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const path = join(dataDir, NAME);
  const known = await readName(path);
  if (known !== undefined) return known;
  const fresh = `${path}.${randomUUID()}`;
  await writeFile(fresh, `disk_${randomUUID()}\n`, { mode: PRIVATE_FILE_MODE, flush: true });
  try {
    // Fails where another process was faster: its name counts.
    await link(fresh, path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(fresh, { force: true });
  }
  return (await readFile(path, 'utf8')).trim();
}

async function readName(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
