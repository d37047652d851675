import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { TOPOLOGY_NAME } from '../../analytics/index.ts';
import { existingGeneration, type GenerationLayout, MillraceError, makeCurrent } from '../../engine/index.ts';
import { stateRoot } from '../host/index.ts';
import { type OrderOptions, orderOptionsSchema, withOptions } from '../orders/index.ts';
import type { Settings } from '../settings/index.ts';

const FILE = 'GENERATION.json';

/** What is kept beside a generation that was built while another one ran. */
export interface GenerationRecord {
  /**
   * `built`: it is current, or about to be. `ready`: it is built and compared, and waits for a word to become current.
   * `former`: it was current.
   */
  readonly state: 'building' | 'built' | 'ready' | 'former';
  readonly reason: string;
  readonly options: OrderOptions;
  readonly started_at_ms: number;
  /** The generation that this one takes the place of; it is removed once this one is current. */
  readonly replaces?: number;
  /** Where it stopped: last sequence of the stream that is in it. Of one that is `ready` or `former`. */
  readonly position?: number;
  /** When it became ready, or was replaced. */
  readonly since_ms?: number;
}

const schema = z.object({
  state: z.enum(['building', 'built', 'ready', 'former']),
  reason: z.string(),
  options: orderOptionsSchema,
  started_at_ms: z.int(),
  replaces: z.int().exactOptional(),
  position: z.int().exactOptional(),
  since_ms: z.int().exactOptional(),
});

/** The record in the folder of a generation; undefined where it was not built beside another. */
export function readRecord(folder: string): GenerationRecord | undefined {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new MillraceError(
      'bad_generation_record',
      `${path} is not what millrace writes there. Restore it from a backup, or remove it if the settings are ` +
        'those that the generation was built with.',
      { cause },
    );
  }
}

/** Replaces it as a whole. */
export function writeRecord(folder: string, record: GenerationRecord): void {
  const path = join(folder, FILE);
  writeFileSync(`${path}.new`, JSON.stringify(record));
  renameSync(`${path}.new`, path);
}

/** The settings as the current generation of the order analytics has them; reads, and makes nothing. */
export function currentSettings(settings: Settings): Settings {
  const layout = existingGeneration(stateRoot(settings.dataDir), TOPOLOGY_NAME);
  return withOptions(settings, (layout === undefined ? undefined : readRecord(layout.path))?.options ?? {});
}

/**
 * Makes a generation current that was built with the settings of the current one while nothing ran. The former one
 * stays. Throws `no_such_generation`.
 */
export function makeRebuiltCurrent(root: string, topology: string, rebuilt: GenerationLayout): void {
  const former = existingGeneration(root, topology);
  const record = former === undefined ? undefined : readRecord(former.path);
  if (record !== undefined) {
    const { options, started_at_ms } = record;
    writeRecord(rebuilt.path, { state: 'built', reason: 'replay', options, started_at_ms });
  }
  makeCurrent(root, topology, rebuilt.generation);
  if (former === undefined || record === undefined || former.generation === rebuilt.generation) return;
  writeRecord(former.path, { ...record, state: 'former' });
}

/**
 * Makes a generation current that came from elsewhere, with the settings of its own record. What its record says of
 * other generations is of the place that it came from: it would remove one of the same number here. The former one
 * stays. Throws `no_such_generation`.
 */
export function makeRestoredCurrent(root: string, topology: string, restored: GenerationLayout): void {
  const former = existingGeneration(root, topology);
  const record = readRecord(restored.path);
  if (record !== undefined) {
    const { options, started_at_ms } = record;
    writeRecord(restored.path, { state: 'built', reason: 'snapshot', options, started_at_ms });
  }
  const formerRecord = former === undefined ? undefined : readRecord(former.path);
  makeCurrent(root, topology, restored.generation);
  if (former === undefined || formerRecord === undefined) return;
  writeRecord(former.path, { ...formerRecord, state: 'former' });
}
