import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { asMillraceError, MillraceError } from '../../engine/index.ts';

/** How an S3 or an S3-compatible server is reached. */
export interface S3Settings {
  /** Of a compatible server, `http://host:9000`; undefined: AWS. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface S3Place {
  readonly bucket: string;
  /** Without a slash at its ends; '': the bucket itself. */
  readonly prefix: string;
}

/** `s3://bucket/prefix` by its parts; undefined for anything else. */
export function s3Place(url: string): S3Place | undefined {
  const match = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^?#]*))?$/.exec(url);
  if (match === null) return undefined;
  return { bucket: match[1] as string, prefix: (match[2] ?? '').replace(/^\/+|\/+$/g, '') };
}

/** Codes of S3 that another try does not change. */
const FINAL = new Set([
  'NoSuchBucket',
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'InvalidBucketName',
]);

/** Objects of S3. The client is read when it is used first. */
export class S3Store {
  readonly #settings: S3Settings;
  #client: Promise<S3Client> | undefined;

  constructor(settings: S3Settings) {
    this.#settings = settings;
  }

  /**
   * Puts a file there as one object, and replaces what was there. Throws `s3_failed`: retriable unless the server said
   * what another try does not change.
   */
  async put(
    { bucket }: S3Place,
    key: string,
    path: string,
    media_type: string,
    signal?: AbortSignal,
  ): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    const { size } = await stat(path);
    const command = new PutObjectCommand({
      ...{ Bucket: bucket, Key: key, Body: createReadStream(path) },
      ...{ ContentLength: size, ContentType: media_type },
    });
    const client = await this.#open();
    try {
      await client.send(command, signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw failed(error, `s3://${bucket}/${key}`);
    }
  }

  /** The whole object; undefined where there is none. Throws `s3_failed`. */
  async get({ bucket }: S3Place, key: string): Promise<Uint8Array | undefined> {
    const { GetObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      const { Body } = await (await this.#open()).send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      return await Body?.transformToByteArray();
    } catch (error) {
      if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
      throw failed(error, `s3://${bucket}/${key}`, 'read');
    }
  }

  /** Puts bytes there as one object, and replaces what was there. Throws `s3_failed`. */
  async putBytes({ bucket }: S3Place, key: string, bytes: Uint8Array, media_type: string): Promise<void> {
    const { PutObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      const object = { Bucket: bucket, Key: key, Body: bytes, ContentType: media_type };
      await (await this.#open()).send(new PutObjectCommand(object));
    } catch (error) {
      throw failed(error, `s3://${bucket}/${key}`);
    }
  }

  /** Keys that begin so, in the order of their bytes. Throws `s3_failed`. */
  async list({ bucket }: S3Place, prefix: string): Promise<string[]> {
    const { ListObjectsV2Command } = await import('@aws-sdk/client-s3');
    const keys: string[] = [];
    let token: string | undefined;
    try {
      const client = await this.#open();
      do {
        const page = token === undefined ? {} : { ContinuationToken: token };
        const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...page });
        const { Contents = [], NextContinuationToken } = await client.send(command);
        for (const { Key } of Contents) if (Key !== undefined) keys.push(Key);
        token = NextContinuationToken;
      } while (token !== undefined);
    } catch (error) {
      throw failed(error, `s3://${bucket}/${prefix}`, 'listed');
    }
    return keys;
  }

  /** Removes an object; none there is no error. Throws `s3_failed`. */
  async remove({ bucket }: S3Place, key: string): Promise<void> {
    const { DeleteObjectCommand } = await import('@aws-sdk/client-s3');
    try {
      await (await this.#open()).send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    } catch (error) {
      throw failed(error, `s3://${bucket}/${key}`, 'removed');
    }
  }

  async close(): Promise<void> {
    (await this.#client)?.destroy();
  }

  #open(): Promise<S3Client> {
    this.#client ??= import('@aws-sdk/client-s3').then(({ S3Client }) => {
      const { endpoint, region, accessKeyId, secretAccessKey } = this.#settings;
      return new S3Client({
        region,
        credentials: { accessKeyId, secretAccessKey },
        // Compatible servers know no buckets as host names, and not every checksum.
        ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
        ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
      });
    });
    return this.#client;
  }
}

function failed(error: unknown, what: string, done = 'written'): MillraceError {
  const name = error instanceof Error ? error.name : '';
  const { message } = asMillraceError(error);
  return new MillraceError(
    's3_failed',
    `${what} was not ${done}: ${name === '' ? '' : `${name}: `}${message}.`,
    {
      cause: error,
      retriable: !FINAL.has(name),
    },
  );
}
