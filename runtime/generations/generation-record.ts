import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';
import { type OrderOptions, orderOptionsSchema } from '../orders/index.ts';

const FILE = 'GENERATION.json';

/** What is kept beside a generation that was built while another one ran. */
export interface GenerationRecord {
  /** `former`: it was current, and is kept. */
  readonly state: 'building' | 'built' | 'former';
  readonly reason: string;
  readonly options: OrderOptions;
  readonly started_at_ms: number;
  /** The generation that this one takes the place of; it is removed once this one is current. */
  readonly replaces?: number;
}

const schema = z.object({
  state: z.enum(['building', 'built', 'former']),
  reason: z.string(),
  options: orderOptionsSchema,
  started_at_ms: z.int(),
  replaces: z.int().exactOptional(),
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
