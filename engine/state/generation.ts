import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError, PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../base/index.ts';

const POINTER = 'CURRENT';

/** Where the state of a topology lies: `<root>/<topology>/g<generation>/p<partition>`. */
export interface GenerationLayout {
  readonly generation: number;
  /** The folder of all its partitions. */
  readonly path: string;
  /** Makes the folder of a partition if it is not there. */
  partitionPath(partition: string): string;
}

/**
 * Reads the current generation of a topology, creating the first. The pointer is one file, replaced
 * by an atomic rename, so that a reader sees the old generation or the new one and nothing between.
 */
export function currentGeneration(root: string, topology: string): GenerationLayout {
  const base = join(root, topology);
  mkdirSync(base, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const found = existingGeneration(root, topology);
  if (found !== undefined) return found;
  point(base, '1');
  return layoutOf(base, 1);
}

/** Reads the current generation of a topology, and makes nothing; undefined where it has never run. */
export function existingGeneration(root: string, topology: string): GenerationLayout | undefined {
  const base = join(root, topology);
  const pointer = join(base, POINTER);
  let text: string;
  try {
    text = readFileSync(pointer, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const generation = Number(text);
  if (!Number.isSafeInteger(generation) || generation < 1) {
    throw new MillraceError(
      'bad_generation_pointer',
      `${pointer} must hold the number of the current generation, a positive integer; it holds ` +
        `${JSON.stringify(text)}. Write the number of the newest folder g<n> beside it.`,
    );
  }
  return layoutOf(base, generation);
}

function point(base: string, generation: string): void {
  const pointer = join(base, POINTER);
  writeFileSync(`${pointer}.new`, generation, { mode: PRIVATE_FILE_MODE });
  renameSync(`${pointer}.new`, pointer);
}

function folderOf(base: string, generation: number): string {
  return join(base, `g${generation}`);
}

function layoutOf(base: string, generation: number): GenerationLayout {
  return {
    generation,
    path: folderOf(base, generation),
    partitionPath: (partition) => {
      const path = join(folderOf(base, generation), `p${partition}`);
      mkdirSync(path, { recursive: true, mode: PRIVATE_FOLDER_MODE });
      return path;
    },
  };
}

/** A generation after all that there are, for a rebuild beside the current one. */
export function nextGeneration(root: string, topology: string): GenerationLayout {
  const base = join(root, topology);
  mkdirSync(base, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  const numbers = readdirSync(base).flatMap((name) => (/^g\d+$/.test(name) ? [Number(name.slice(1))] : []));
  const layout = layoutOf(base, Math.max(0, ...numbers) + 1);
  mkdirSync(layout.path, { mode: PRIVATE_FOLDER_MODE });
  return layout;
}

/** The generations that lie in the folder of a topology, the current one among them, in order. */
export function listGenerations(root: string, topology: string): readonly GenerationLayout[] {
  const base = join(root, topology);
  if (!existsSync(base)) return [];
  return readdirSync(base)
    .flatMap((name) => (/^g\d+$/.test(name) ? [Number(name.slice(1))] : []))
    .sort((a, b) => a - b)
    .map((generation) => layoutOf(base, generation));
}

/**
 * Makes a generation the one that the next start goes on from. The former one stays where it is. Throws
 * `no_such_generation`.
 */
export function makeCurrent(root: string, topology: string, generation: number): void {
  const base = join(root, topology);
  if (!existsSync(folderOf(base, generation))) {
    throw new MillraceError(
      'no_such_generation',
      `There is no generation ${generation} of "${topology}" in ${base}.`,
    );
  }
  point(base, String(generation));
}
