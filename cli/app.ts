import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { orderAnalytics, TOPOLOGY_NAME } from '../analytics/index.ts';
import type { Settings } from '../api/index.ts';
import {
  currentGeneration,
  type GenerationLayout,
  type KvReader,
  MillraceError,
  openLmdbReader,
  type Topology,
} from '../engine/index.ts';

export const PARTITION = '0';
const DAY_MS = 86_400_000;

/** The topology that the settings ask for. */
export function topologyOf(settings: Settings): Topology {
  return orderAnalytics({
    cubes: settings.cubes,
    cells_per_day: settings.cubeCellsPerDay,
    dedup_memory_ids: settings.dedupMemoryIds,
    retain_ms: settings.retentionDays * DAY_MS,
    outOfOrderness_ms: settings.allowedOutOfOrderness_ms,
  });
}

export function stateRoot({ dataDir }: Settings): string {
  return join(dataDir, 'state');
}

export function layoutOf(settings: Settings): GenerationLayout {
  return currentGeneration(stateRoot(settings), TOPOLOGY_NAME);
}

/** The API's code; loaded when it is needed, for the pipeline's thread never needs it. */
export const loadApi = () => import('../api/index.ts');

export async function settingsOf(env: Readonly<Record<string, string | undefined>>): Promise<Settings> {
  const { readSettings } = await loadApi();
  return readSettings(env);
}

/** Whether a state was ever committed in this folder. */
export function hasState(path: string): boolean {
  return existsSync(join(path, 'data.mdb'));
}

/** Reads the current state, whether millrace runs or not. Throws `no_state` where there is none. */
export async function withState<T>(
  settings: Settings,
  work: (reader: KvReader) => T | Promise<T>,
): Promise<T> {
  // Looking must not make a folder that was not there.
  const path = existsSync(stateRoot(settings)) ? layoutOf(settings).partitionPath(PARTITION) : undefined;
  if (path === undefined || !hasState(path)) {
    throw new MillraceError(
      'no_state',
      `There is no state in ${path ?? stateRoot(settings)}. Set DATA_DIR to the folder that millrace ran with.`,
    );
  }
  const reader = openLmdbReader(path);
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}
