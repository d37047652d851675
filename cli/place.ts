import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type KvReader,
  META_TABLE,
  MillraceError,
  openLmdbReader,
  type Progress,
  readProgress,
  type Topology,
} from '../engine/index.ts';
import {
  type ArchivePlace,
  currentSettings,
  currentState,
  hasState,
  type NatsSettings,
  orderTopology,
  readHostSettings,
  readSettings,
  stateRoot,
  WHOLE_STREAM,
} from '../runtime/index.ts';
import type { CommandContext } from './command.ts';

type Env = CommandContext['env'];

/** Where state and streams are. */
export interface Folder extends NatsSettings {
  /** Absolute. */
  readonly dataDir: string;
}

/** A topology and where it runs. */
export interface Place extends Folder {
  readonly topology: Topology;
  /** What was given for it; undefined: the one that comes with millrace. */
  readonly file: string | undefined;
  /** Declared dimensions of the order analytics; undefined for another topology. */
  readonly custom?: readonly string[];
  /** Where its events lie that have left their stream; undefined for another topology. */
  readonly archive?: ArchivePlace;
}

/** As all settings: an empty one counts as absent. */
export function settingOf(env: Env, name: string): string | undefined {
  const value = env[name]?.trim();
  return value === '' ? undefined : value;
}

export function folderOf(env: Env): Folder {
  const { dataDir, nats, natsPort } = readHostSettings(env);
  return { dataDir, nats, natsPort };
}

/** The topology of MILLRACE_TOPOLOGY, or else the order analytics as the settings ask for them. */
export async function placeOf(env: Env): Promise<Place> {
  const file = settingOf(env, 'MILLRACE_TOPOLOGY');
  if (file !== undefined) {
    const { loadTopology } = await import('./given/index.ts');
    return { ...folderOf(env), topology: await loadTopology(file), file };
  }
  const settings = currentSettings(readSettings(env));
  const { dataDir, nats, natsPort } = settings;
  const { customDimensions: custom, archive } = settings;
  const topology = orderTopology(settings);
  return { dataDir, nats, natsPort, topology, file, custom, archive: archive.place };
}

export const progressOf = (reader: KvReader): Progress | undefined =>
  reader.snapshot((table) => readProgress(table(META_TABLE)));

/** The folder of the current state; made if it is not there. */
export function statePathOf({ dataDir, topology }: Pick<Place, 'dataDir' | 'topology'>): string {
  return currentState(dataDir, topology.name).partitionPath(WHOLE_STREAM);
}

/** The folder of the current state. Throws `no_state` where there is none. */
export function existingStatePath(place: Place): string {
  // Looking must not make a folder that was not there.
  const isThere = existsSync(join(stateRoot(place.dataDir), place.topology.name));
  const path = isThere ? statePathOf(place) : undefined;
  if (path === undefined || !hasState(path)) throw noState(place);
  return path;
}

/** Reads the current state, whether millrace runs or not. Throws `no_state` where there is none. */
export async function withState<T>(place: Place, work: (reader: KvReader) => T | Promise<T>): Promise<T> {
  const reader = openLmdbReader(existingStatePath(place));
  try {
    return await work(reader);
  } finally {
    await reader.close();
  }
}

function noState(place: Place): MillraceError {
  const { topology, file } = place;
  const root = stateRoot(place.dataDir);
  const others = statesIn(root).filter((name) => name !== topology.name);
  const found =
    others.length === 0 ? '' : ` There is state of ${others.map((name) => `"${name}"`).join(', ')} there.`;
  const otherTopology =
    others.length > 0 && file === undefined
      ? ' Name the topology of your state with --topology, or set'
      : ' Set';
  return new MillraceError(
    'no_state',
    `There is no state of "${topology.name}" in ${root}.${found}${otherTopology} DATA_DIR (--data-dir) to the folder that it ran with.`,
  );
}

function statesIn(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
}
