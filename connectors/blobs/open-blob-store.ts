import { MillraceError } from '../../engine/index.ts';
import { type S3Settings, S3Store, s3Place } from '../s3/index.ts';
import type { BlobStore } from './blob-store.ts';
import { LocalBlobs } from './local-blobs.ts';
import { S3Blobs } from './s3-blobs.ts';

/** A folder by its path, or a prefix of a bucket by `s3://bucket/prefix`. Throws `bad_setting` without S3's settings. */
export function openBlobStore(url: string, s3: S3Settings | undefined): BlobStore {
  if (!url.startsWith('s3://')) return new LocalBlobs(url);
  const place = s3Place(url);
  if (place === undefined || s3 === undefined)
    throw new MillraceError(
      'bad_setting',
      `${url} needs the form s3://bucket/prefix, and S3_ACCESS_KEY_ID with S3_SECRET_ACCESS_KEY.`,
    );
  return new S3Blobs(new S3Store(s3), place);
}
