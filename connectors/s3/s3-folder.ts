import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import type { FoundObject, ObjectFolder } from '../files/index.ts';
import { publicLookup } from '../http/index.ts';
import type { S3Config } from './s3-config.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** Without a byte. */
const SILENCE_TIMEOUT_MS = 30_000;
const ATTEMPTS = 2;

/** The objects below a prefix of a bucket. Throws MillraceError. The client is loaded when it is used first. */
export class S3Folder implements ObjectFolder {
  readonly name: string;
  readonly hasTrueTimes = true;
  readonly #config: S3Config;
  readonly #allowPrivate: boolean;
  #client: Promise<S3Client> | undefined;

  constructor(config: S3Config, allowPrivate: boolean) {
    this.#config = config;
    this.#allowPrivate = allowPrivate;
    this.name = config.bucket;
  }

  async *list(signal: AbortSignal): AsyncGenerator<FoundObject> {
    const { bucket, prefix } = this.#config;
    let next: string | undefined;
    do {
      const page = await this.#asked(async (client, sdk) =>
        client.send(
          new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: next }),
          { abortSignal: signal },
        ),
      );
      for (const { Key: key, ETag: etag, LastModified: modified } of page.Contents ?? []) {
        if (key === undefined || etag === undefined || key.endsWith('/')) continue;
        yield { key, version: etag.replaceAll('"', ''), modified_ms: modified?.getTime() ?? 0 };
      }
      next = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (next !== undefined);
  }

  async open(
    { key, version }: FoundObject,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const object = await this.#asked(async (client, sdk): Promise<GetObjectCommandOutput | undefined> => {
      const command = new sdk.GetObjectCommand({
        Bucket: this.#config.bucket,
        Key: key,
        IfMatch: `"${version}"`,
      });
      try {
        return await client.send(command, { abortSignal: signal });
      } catch (error) {
        // Deleted or written again meanwhile: the next look finds what there is.
        if (['NoSuchKey', 'PreconditionFailed'].includes(nameOf(error))) return undefined;
        throw error;
      }
    });
    return object === undefined ? undefined : this.#bytesOf(object);
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.then((open) => open.destroy()).catch(() => undefined);
  }

  async *#bytesOf({ Body }: GetObjectCommandOutput): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of Body as unknown as AsyncIterable<Uint8Array>) yield chunk;
    } catch (error) {
      throw s3Error(error, this.#config);
    }
  }

  async #asked<T>(
    work: (client: S3Client, sdk: typeof import('@aws-sdk/client-s3')) => Promise<T>,
  ): Promise<T> {
    const sdk = await import('@aws-sdk/client-s3');
    this.#client ??= this.#open(sdk);
    try {
      return await work(await this.#client, sdk);
    } catch (error) {
      throw s3Error(error, this.#config);
    }
  }

  async #open(sdk: typeof import('@aws-sdk/client-s3')): Promise<S3Client> {
    const { region, access_key_id, secret_access_key, endpoint } = this.#config;
    const { NodeHttpHandler } = await import('@smithy/node-http-handler');
    const agent = this.#allowPrivate ? {} : { lookup: publicLookup };
    return new sdk.S3Client({
      region,
      credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
      // Compatible servers know no buckets as host names, and not every checksum.
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
      maxAttempts: ATTEMPTS,
      requestHandler: new NodeHttpHandler({
        ...{ connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
        httpAgent: new HttpAgent({ keepAlive: true, ...agent }),
        httpsAgent: new HttpsAgent({ keepAlive: true, ...agent }),
      }),
    });
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

const REFUSED = [
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'AuthorizationHeaderMalformed',
  'Forbidden',
];

function s3Error(error: unknown, { bucket, prefix }: S3Config): MillraceError {
  if (error instanceof MillraceError) return error;
  const name = nameOf(error);
  const { message } = error instanceof Error ? error : asMillraceError(error);
  const where = `s3://${bucket}/${prefix}`;
  // Waits for who makes the bucket or corrects the keys there.
  const options = { cause: error, retriable: true };
  if (name === 'NoSuchBucket')
    return new MillraceError(
      's3_bucket_missing',
      `There is no bucket "${bucket}". Make it, or name another one.`,
      options,
    );
  if (REFUSED.includes(name)) {
    const what = `${where} is refused to the credentials (${name}: ${message}). Correct them, or allow s3:ListBucket and s3:GetObject`;
    return new MillraceError('s3_refused', `${what}.`, options);
  }
  return new MillraceError('s3_unavailable', `${where} cannot be read: ${name}: ${message}.`, options);
}
