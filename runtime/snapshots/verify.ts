import { existsSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { MillraceError, stateFileProblems } from '../../engine/index.ts';
import { sha256Of } from './files.ts';
import { damaged, positionsIn, readManifest, type SnapshotManifest, STATE_FILE } from './manifest.ts';

/** A folder among the snapshots; `problem` where it is not a whole one. */
export interface ListedSnapshot {
  readonly path: string;
  readonly manifest?: SnapshotManifest;
  readonly problem?: { readonly code: string; readonly message: string };
}

/** The snapshots in a folder, by name; of one that was not finished it says so. Reads manifests only. */
export function listSnapshots(folder: string): readonly ListedSnapshot[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name))
    .sort()
    .map((path) => {
      try {
        return { path, manifest: readManifest(path) };
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        return { path, problem: { code: error.code, message: error.message } };
      }
    });
}

/**
 * Compares each file of a snapshot with its checksum, goes through the pages of the state, opens it read-only, and
 * compares its position with the manifest's. Throws `snapshot_incomplete`, `snapshot_damaged`.
 */
export async function verifySnapshot(folder: string): Promise<SnapshotManifest> {
  const manifest = readManifest(folder);
  await verifyFiles(folder, manifest);
  return manifest;
}

/** As `verifySnapshot`, for files that lie in `folder` as in a snapshot. */
export async function verifyFiles(folder: string, manifest: SnapshotManifest): Promise<void> {
  for (const { path, bytes, sha256 } of manifest.files) {
    const whole = join(folder, path);
    if (!existsSync(whole)) throw damaged(`${whole} is missing`);
    const { size } = statSync(whole);
    if (size !== bytes) throw damaged(`${whole} has ${size} bytes; the manifest says ${bytes}`);
    if ((await sha256Of(whole)) !== sha256)
      throw damaged(`${whole} is not what was written: its SHA-256 differs`);
  }
  const state = dirname(join(folder, STATE_FILE));
  const [problem] = stateFileProblems(state);
  if (problem !== undefined) throw damaged(problem);
  const { commit, positions } = await positionsIn(state);
  await rm(join(state, 'lock.mdb'), { force: true });
  if (!isDeepStrictEqual({ commit, positions }, { commit: manifest.commit, positions: manifest.positions })) {
    throw damaged(`The state in ${state} is at another position than the manifest says`);
  }
}
