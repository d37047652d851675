import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import {
  META_TABLE,
  MillraceError,
  openLmdbReader,
  type Progress,
  readProgress,
} from '../../engine/index.ts';

/** Written last: a folder without it is no snapshot. */
export const MANIFEST_FILE = 'manifest.json';
/** The file of the state within a snapshot, and within a generation. */
export const STATE_FILE = join('p0', 'data.mdb');

const position = z.object({
  stream: z.string(),
  /** Of the stream: one that is made anew has another. */
  incarnation: z.string(),
  /** Last applied. */
  sequence: z.int().nonnegative(),
});

const file = z.object({
  // Nothing outside of the snapshot, whoever wrote the manifest.
  path: z.enum([STATE_FILE, 'GENERATION.json']),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});

const schema = z.object({
  format: z.literal(1),
  topology: z.string().regex(/^[^/\\]+$/),
  generation: z.int().positive(),
  created_at: z.iso.datetime(),
  /** Of the program that made the snapshot. */
  version: z.string(),
  commit: z.int().nonnegative(),
  positions: z.array(position).min(1),
  files: z.array(file).refine((files) => files.some(({ path }) => path === STATE_FILE)),
});

export type SnapshotManifest = z.infer<typeof schema>;

/** Throws `snapshot_incomplete` where there is none, and `snapshot_damaged` where it is not one. */
export function readManifest(folder: string): SnapshotManifest {
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path)) {
    throw new MillraceError(
      'snapshot_incomplete',
      `${folder} has no ${MANIFEST_FILE}: no snapshot is there, or one that was not finished. Remove it, and take ` +
        'another one ("millrace snapshot ls" lists them).',
    );
  }
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw damaged(`${path} is not what millrace writes there`, cause);
  }
}

export function damaged(what: string, cause?: unknown): MillraceError {
  return new MillraceError('snapshot_damaged', `${what}. Take another snapshot, or restore an older one.`, {
    cause,
  });
}

/** What the state in a folder says of its position. Throws `snapshot_empty` where nothing was committed. */
export async function positionsIn(folder: string): Promise<Pick<SnapshotManifest, 'commit' | 'positions'>> {
  const reader = openLmdbReader(folder);
  try {
    const progress = reader.snapshot((table) => readProgress(table(META_TABLE)));
    if (progress === undefined) {
      throw new MillraceError('snapshot_empty', `Nothing was committed yet to the state in ${folder}.`);
    }
    return { commit: progress.commit, positions: positionsOf(progress) };
  } finally {
    await reader.close();
  }
}

function positionsOf(progress: Progress): SnapshotManifest['positions'] {
  return [progress, ...Object.values(progress.others ?? {})].map(({ stream, incarnation, sequence }) => ({
    ...{ stream, incarnation, sequence },
  }));
}

/** The version of this program, from its package.json: the same from the sources and from dist/. */
export function programVersion(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, 'package.json');
    if (existsSync(path))
      return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(path, 'utf8'))).version;
  }
  return 'unknown';
}
