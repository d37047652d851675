import { copyFileSync, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  copyLmdbState,
  existingGeneration,
  MillraceError,
  PRIVATE_FILE_MODE,
  PRIVATE_FOLDER_MODE,
} from '../../engine/index.ts';
import { hasState, stateRoot, WHOLE_STREAM } from '../host/index.ts';
import { inNewFolder, isEmptyFolder, sha256Of, synced } from './files.ts';
import { MANIFEST_FILE, positionsIn, programVersion, type SnapshotManifest, STATE_FILE } from './manifest.ts';

const RECORD_FILE = 'GENERATION.json';

export interface CreateSnapshot {
  readonly dataDir: string;
  readonly topology: string;
  /** A folder that is empty or not there; its parents are made. */
  readonly to: string;
  readonly now_ms: number;
}

/** The folder of snapshots that are given no other. */
export const snapshotsFolder = (dataDir: string): string => join(dataDir, 'snapshots');

/**
 * Copies the current generation of a topology's state as one read transaction sees it, while the topology runs or
 * not. The writer goes on; pages that it frees meanwhile are used again only afterwards. The manifest is written last.
 * Throws `no_state`, `snapshot_target_not_empty`, `disk_full`.
 */
export async function createSnapshot(wanted: CreateSnapshot): Promise<SnapshotManifest> {
  const { dataDir, topology, to, now_ms } = wanted;
  const layout = existingGeneration(stateRoot(dataDir), topology);
  const state = layout === undefined ? '' : join(layout.path, `p${WHOLE_STREAM}`);
  if (layout === undefined || !hasState(state)) {
    throw new MillraceError(
      'no_state',
      `There is no state of "${topology}" in ${stateRoot(dataDir)}. Set DATA_DIR (--data-dir) to the folder that it runs with.`,
    );
  }
  if (!isEmptyFolder(to)) {
    throw new MillraceError(
      'snapshot_target_not_empty',
      `${to} is not empty. Give --to a folder that is empty or not there.`,
    );
  }
  return await inNewFolder(to, 'the snapshot is not made', async () => {
    const copy = dirname(join(to, STATE_FILE));
    mkdirSync(copy, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    // Before the state: one that is replaced meanwhile is called the former one from then on.
    const record = join(layout.path, RECORD_FILE);
    const hasRecord = existsSync(record);
    if (hasRecord) copyFileSync(record, join(to, RECORD_FILE));
    await copyLmdbState(state, copy);
    const at = await positionsIn(copy);
    await rm(join(copy, 'lock.mdb'), { force: true });
    const files = [];
    for (const path of [STATE_FILE, ...(hasRecord ? [RECORD_FILE] : [])] as const) {
      const whole = join(to, path);
      await synced(whole);
      files.push({ path, bytes: statSync(whole).size, sha256: await sha256Of(whole) });
    }
    await synced(copy);
    const manifest = {
      format: 1,
      ...{ topology, generation: layout.generation },
      ...{ created_at: new Date(now_ms).toISOString(), version: programVersion() },
      ...at,
      files,
    } as SnapshotManifest;
    const part = join(to, `${MANIFEST_FILE}.new`);
    writeFileSync(part, `${JSON.stringify(manifest, null, 2)}\n`, { mode: PRIVATE_FILE_MODE });
    await synced(part);
    renameSync(part, join(to, MANIFEST_FILE));
    await synced(to);
    return manifest;
  });
}
