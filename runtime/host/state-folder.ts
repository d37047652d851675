import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { currentGeneration, type GenerationLayout } from '../../engine/index.ts';

/** The partition of an installation whose streams are not split: all of the stream. */
export const WHOLE_STREAM = '0';

/** Where the states of all topologies of a data folder lie. */
export function stateRoot(dataDir: string): string {
  return join(dataDir, 'state');
}

/** The current generation of a topology's state; made if there is none. */
export function currentState(dataDir: string, topology: string): GenerationLayout {
  return currentGeneration(stateRoot(dataDir), topology);
}

/** Whether a state was ever committed in the folder of a partition. */
export function hasState(path: string): boolean {
  return existsSync(join(path, 'data.mdb'));
}

const hosted = new Set<string>();

/** Notes that this process writes to the state in this folder. */
export function hostHere(path: string): void {
  hosted.add(resolve(path));
}

/** Whether this process writes to the state in this folder: lmdb shares one environment within a process. */
export function isHostedHere(path: string): boolean {
  return hosted.has(resolve(path));
}
