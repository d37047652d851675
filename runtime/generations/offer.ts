import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Beside the generations: the number of one that the process is to take over. */
const FILE = 'NEXT';

const pathOf = (root: string, topology: string): string => join(root, topology, FILE);

/** Asks the process that runs a topology to go on with another generation, which is built and not current. */
export function offerGeneration(root: string, topology: string, generation: number): void {
  const path = pathOf(root, topology);
  writeFileSync(`${path}.${process.pid}`, String(generation), { mode: 0o600 });
  renameSync(`${path}.${process.pid}`, path);
}

/** The generation that is offered; undefined: none. */
export function offeredGeneration(root: string, topology: string): number | undefined {
  const generation = Number(offerIn(pathOf(root, topology)));
  return Number.isSafeInteger(generation) && generation > 0 ? generation : undefined;
}

function offerIn(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // There is none, or it was withdrawn this moment.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Takes the offer away: it was taken, or cannot be. */
export function withdrawOffer(root: string, topology: string): void {
  rmSync(pathOf(root, topology), { force: true });
}
