import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  existingGeneration,
  listGenerations,
  MillraceError,
  nextGeneration,
  PRIVATE_FOLDER_MODE,
} from '../../engine/index.ts';
import { makeRestoredCurrent } from '../generations/index.ts';
import { stateRoot } from '../host/index.ts';
import { runningPid } from '../why/index.ts';
import { inNewFolder, synced } from './files.ts';
import { readManifest, type SnapshotManifest } from './manifest.ts';
import { verifyFiles } from './verify.ts';

export interface RestoreSnapshot {
  readonly from: string;
  readonly dataDir: string;
  readonly topology: string;
  /** Also where a state is there, which is kept as a former generation, or where a process runs. */
  readonly isForced: boolean;
  readonly now_ms: number;
}

export interface Restored {
  readonly manifest: SnapshotManifest;
  readonly path: string;
  /** The folder of the state that was current before. */
  readonly former?: string;
}

/**
 * Puts a snapshot into a data folder as the generation that the next start goes on from. What is copied is checked
 * before anything points to it. Throws `snapshot_incomplete`, `snapshot_damaged`, `snapshot_of_other_topology`,
 * `data_dir_in_use`, `data_dir_not_empty`, `disk_full`.
 */
export async function restoreSnapshot(wanted: RestoreSnapshot): Promise<Restored> {
  const { from, dataDir, topology } = wanted;
  const manifest = readManifest(from);
  if (manifest.topology !== topology) {
    throw new MillraceError(
      'snapshot_of_other_topology',
      `${from} is a snapshot of "${manifest.topology}", not of "${topology}". Name its topology with --topology.`,
    );
  }
  if (!wanted.isForced) requireFree(wanted);
  const root = stateRoot(dataDir);
  const former = existingGeneration(root, topology);
  // A name that no start takes for a generation, until all of it is there.
  const part = join(root, topology, `.restore-${process.pid}`);
  rmSync(part, { recursive: true, force: true });
  return await inNewFolder(part, 'the snapshot is not restored', async () => {
    for (const { path } of manifest.files) {
      const whole = join(part, path);
      mkdirSync(dirname(whole), { recursive: true, mode: PRIVATE_FOLDER_MODE });
      copyFileSync(join(from, path), whole);
      await synced(whole);
      await synced(dirname(whole));
    }
    await verifyFiles(part, manifest);
    const layout = nextGeneration(root, topology);
    // The folder was made, empty, to take its number.
    renameSync(part, layout.path);
    await synced(dirname(layout.path));
    makeRestoredCurrent(root, topology, layout);
    await synced(dirname(layout.path));
    return { manifest, path: layout.path, ...(former === undefined ? {} : { former: former.path }) };
  });
}

function requireFree({ dataDir, topology, now_ms }: RestoreSnapshot): void {
  const pid = runningPid(dataDir, topology, now_ms);
  if (pid !== undefined) {
    throw new MillraceError(
      'data_dir_in_use',
      `Process ${pid} runs "${topology}" in ${dataDir}. Stop it first, or name another folder with --data-dir.`,
    );
  }
  const isThere =
    existingGeneration(stateRoot(dataDir), topology) ?? listGenerations(stateRoot(dataDir), topology)[0];
  if (isThere === undefined || !existsSync(isThere.path)) return;
  throw new MillraceError(
    'data_dir_not_empty',
    `There is a state of "${topology}" in ${isThere.path}. Name another folder with --data-dir, or give --force: ` +
      'the state that is there is kept, as a former generation.',
  );
}
