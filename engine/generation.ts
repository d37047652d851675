import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from './errors.ts';

const POINTER = 'CURRENT';

/** Where the state of a topology lies: `<root>/<topology>/g<generation>/p<partition>`. */
export interface GenerationLayout {
  readonly generation: number;
  partitionPath(partition: string): string;
}

/**
 * Reads the current generation of a topology, creating the first. The pointer is one file, replaced
 * by an atomic rename, so that a reader sees the old generation or the new one and nothing between.
 */
export function currentGeneration(root: string, topology: string): GenerationLayout {
  const base = join(root, topology);
  mkdirSync(base, { recursive: true });
  const pointer = join(base, POINTER);
  let text: string;
  try {
    text = readFileSync(pointer, 'utf8');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    text = '1';
    writeFileSync(`${pointer}.new`, text);
    renameSync(`${pointer}.new`, pointer);
  }
  const generation = Number(text);
  if (!Number.isSafeInteger(generation) || generation < 1) {
    throw new MillraceError(
      'bad_generation_pointer',
      `${pointer} must hold the number of the current generation, a positive integer; it holds ${JSON.stringify(text)}. Write the number of the newest folder g<n> beside it.`,
    );
  }
  return {
    generation,
    partitionPath: (partition) => {
      const path = join(base, `g${generation}`, `p${partition}`);
      mkdirSync(path, { recursive: true });
      return path;
    },
  };
}
