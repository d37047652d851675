import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from './errors.ts';

/** Of folders: the owner's alone. */
export const PRIVATE_FOLDER_MODE = 0o700;
/** Of files: the owner's alone. */
export const PRIVATE_FILE_MODE = 0o600;
/** Keeps what a process makes to its owner, whoever makes it. */
export const PRIVATE_UMASK = 0o077;

const OTHERS = 0o077;
const STICKY = 0o1000;
/** Windows has no such modes: a folder has what its parent gives it. */
const HAS_MODES = process.platform !== 'win32';
/** What millrace makes in a data folder; anything else there is left alone. */
const OURS =
  /^(state|jobs|job-files|snapshots|spool|run|disk-id|nats|nats[.-].*|.*\.secret|known-keys\.json(\.new)?)$/;
const TOLD_MAX = 3;

/**
 * Makes a data folder that only its owner can enter, or makes one that is there so: the folder, and what
 * millrace has put into it. Returns sentences for what was changed and for what could not be.
 * Throws `data_dir_unusable`, and `data_dir_shared` for one that is everybody's, as `/tmp` is.
 */
export function openDataFolder(dataDir: string): string[] {
  const before = make(dataDir);
  if (!HAS_MODES || before === undefined) return [];
  if ((before.mode & STICKY) !== 0) {
    throw new MillraceError(
      'data_dir_shared',
      `${dataDir} is a folder that all users share. Set DATA_DIR to a folder of its own, e.g. one inside it.`,
    );
  }
  const tightened: string[] = [];
  const failed: string[] = [];
  tighten(dataDir, before, tightened, failed);
  for (const name of readdirSync(dataDir))
    if (OURS.test(name)) tightenAll(join(dataDir, name), tightened, failed);
  const sentences: string[] = [];
  if (tightened.length > 0) {
    sentences.push(
      `other users of this machine could reach ${some(tightened)}: now only the owner can (0700 and 0600)`,
    );
  }
  if (failed.length > 0) {
    sentences.push(
      `other users of this machine may reach ${some(failed)}, whose owner is another: give DATA_DIR to the ` +
        'user that runs millrace, or see that nobody else can enter the folder above it',
    );
  }
  return sentences;
}

/** The folder as it was; undefined when it was made just now. */
function make(dataDir: string): Stats | undefined {
  try {
    const made = mkdirSync(dataDir, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    return made === undefined ? statSync(dataDir) : undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new MillraceError(
      'data_dir_unusable',
      `The data folder ${dataDir} cannot be made (${why}): give another one, or correct the permissions of ` +
        'the folder that it lies in.',
      { cause: error },
    );
  }
}

const some = (paths: readonly string[]): string =>
  paths.length <= TOLD_MAX
    ? paths.join(', ')
    : `${paths.slice(0, TOLD_MAX).join(', ')} and ${paths.length - TOLD_MAX} more`;

function tightenAll(path: string, tightened: string[], failed: string[]): void {
  const found = lookAt(path);
  if (found === undefined) return;
  tighten(path, found, tightened, failed);
  if (!found.isDirectory()) return;
  for (const name of readdirSync(path)) tightenAll(join(path, name), tightened, failed);
}

/** Undefined for what went away in between, and for links: what they lead to is not ours. */
function lookAt(path: string): Stats | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true || found?.isFile() === true ? found : undefined;
}

function tighten(path: string, { mode }: Stats, tightened: string[], failed: string[]): void {
  if ((mode & OTHERS) === 0) return;
  try {
    chmodSync(path, mode & ~OTHERS & 0o7777);
    tightened.push(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return;
    if (code !== 'EPERM' && code !== 'EROFS' && code !== 'ENOTSUP') throw error;
    failed.push(path);
  }
}

/**
 * The text of a private file, which is made with `fresh()` when it is not there: whole or not at all, by one
 * of several processes. `isMade` says whether this call made it.
 */
export function privateText(
  path: string,
  fresh: () => string,
): { readonly text: string; readonly isMade: boolean } {
  const known = read(path);
  if (known !== undefined) return { text: known, isMade: false };
  const text = fresh();
  const draft = `${path}.${process.pid}.new`;
  writeFileSync(draft, text, { mode: PRIVATE_FILE_MODE, flush: true });
  try {
    linkSync(draft, path);
    return { text, isMade: true };
  } catch (error) {
    const other =
      error instanceof Error && 'code' in error && error.code === 'EEXIST' ? read(path) : undefined;
    if (other === undefined) throw error;
    return { text: other, isMade: false };
  } finally {
    rmSync(draft, { force: true });
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a private file by one rename. */
export function replacePrivateFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: PRIVATE_FILE_MODE, flush: true });
  renameSync(`${path}.new`, path);
}
