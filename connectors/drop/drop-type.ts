import { join } from 'node:path';
import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';
import { formatMembers, ObjectSource } from '../files/index.ts';
import { connectorType } from '../intake/index.ts';
import { DropFolder } from './drop-folder.ts';

const dropConfig = z.strictObject({
  folder: z
    .string()
    .max(256)
    .regex(
      /^(?:[A-Za-z0-9_-][A-Za-z0-9._ -]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._ -]*)*)?$/,
      'must be a path below the tenant’s folder, without dots at the beginning of its names',
    )
    .default('')
    .describe('Below `CONNECTOR_DROP_FOLDER/<tenant>`; empty: that one itself'),
  ...formatMembers,
  interval_s: z.int().min(1).max(86_400).default(10).describe('Seconds between two looks'),
  stable_ms: z
    .int()
    .min(100)
    .max(600_000)
    .default(2_000)
    .describe('A file is taken when its size and time have not changed for so long'),
});

const lacks = 'needs the setting CONNECTOR_DROP_FOLDER, which this installation does not have';

/** Files that are put into a folder of the host. */
export const DROP = connectorType({
  type: 'file_drop',
  configSchema: dropConfig,
  secrets: [],
  tuning: ['interval_s', 'stable_ms'],
  unavailable: ({ dropFolder }) => (dropFolder === undefined ? lacks : undefined),
  open: ({ folder: path, stable_ms, interval_s, ...choice }, { tenant }, { dropFolder }) => {
    if (dropFolder === undefined) throw new MillraceError('not_supported', `A file drop ${lacks}.`);
    const folder = new DropFolder(join(dropFolder, tenant), path, stable_ms);
    return new ObjectSource({ folder, choice, interval_ms: interval_s * 1_000 });
  },
});
