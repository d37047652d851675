import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { S3Settings } from '../../connectors/index.ts';
import { durationOf } from './duration.ts';

/** Of the archive of events that have left the stream, or may. */
export const archiveFields = {
  ARCHIVE_URL: z
    .string()
    .regex(/^(?!s3:)|^s3:\/\/[a-z0-9][a-z0-9.-]+(\/.*)?$/, 'must be a folder or s3://bucket/prefix')
    .optional()
    .describe('Where events are archived: a folder, or s3://bucket/prefix; absent: a folder of DATA_DIR'),
  ARCHIVE_AFTER: z
    .string()
    .optional()
    .transform((text, context) => {
      const after_ms = text === undefined ? undefined : durationOf(text);
      if (text !== undefined && after_ms === undefined)
        context.addIssue('must be a duration such as 90d or 12h');
      return after_ms;
    })
    .describe('How long events stay in the stream before they are archived, e.g. 90d; absent: no schedule'),
  ARCHIVE_SCHEDULE: z
    .string()
    .regex(/^\S+(\s+\S+){4}$/, 'must be a cron expression of five fields, such as "30 2 * * *"')
    .default('30 2 * * *')
    .describe('When that is looked at: a cron expression of five fields, in UTC'),
};

type ArchiveFields = z.infer<z.ZodObject<typeof archiveFields>>;

export function checkArchive(
  s: Pick<ArchiveFields, 'ARCHIVE_URL'> & { readonly S3_ACCESS_KEY_ID?: string | undefined },
  context: z.RefinementCtx,
): void {
  if (s.ARCHIVE_URL?.startsWith('s3://') !== true || s.S3_ACCESS_KEY_ID !== undefined) return;
  const message = 'names a bucket: set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY too';
  context.addIssue({ code: 'custom', path: ['ARCHIVE_URL'], message });
}

/** What the settings say of the archive. */
export interface ArchiveSettings {
  readonly place: { readonly url: string; readonly s3: S3Settings | undefined };
  /** undefined: nothing is archived by schedule. */
  readonly after_ms: number | undefined;
  readonly schedule: string;
}

export function archiveOf(s: ArchiveFields, dataDir: string, s3: S3Settings | undefined): ArchiveSettings {
  const { ARCHIVE_URL: url, ARCHIVE_AFTER: after_ms, ARCHIVE_SCHEDULE: schedule } = s;
  const isBucket = url?.startsWith('s3://') === true;
  const place = isBucket
    ? { url, s3 }
    : { url: url === undefined ? join(dataDir, 'archive') : resolve(url), s3: undefined };
  return { place, after_ms, schedule };
}
