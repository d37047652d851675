import { MillraceError } from '../../engine/index.ts';
import { type S3Settings, S3Store, s3Place } from '../s3/index.ts';
import { LocalObjects } from './local-objects.ts';
import type { ObjectFolder } from './object-folder.ts';
import { S3Objects } from './s3-objects.ts';

export type { ObjectFolder } from './object-folder.ts';

/** A folder by its path, or a prefix of a bucket by `s3://bucket/prefix`. Throws `bad_setting` without S3's settings. */
export function openObjectFolder(url: string, s3: S3Settings | undefined): ObjectFolder {
  if (!url.startsWith('s3://')) return new LocalObjects(url);
  const place = s3Place(url);
  if (place === undefined || s3 === undefined)
    throw new MillraceError(
      'bad_setting',
      `${url} needs the form s3://bucket/prefix, and S3_ACCESS_KEY_ID with S3_SECRET_ACCESS_KEY.`,
    );
  return new S3Objects(new S3Store(s3), place);
}
