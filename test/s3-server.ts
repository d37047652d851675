import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

/** What is used of the package `s3rver`. */
interface S3Server {
  readonly httpServer: Server;
  run(): Promise<{ readonly port: number }>;
  close(): Promise<void>;
}
type S3ServerClass = new (options: object) => S3Server;

/** The key and the secret that it takes. */
export const S3_KEY = 'S3RVER';

/** A server that speaks S3, which may be away for a while. */
export class TestS3 {
  readonly #directory: string;
  readonly #buckets: readonly string[];
  #server: S3Server | undefined;
  #port = 0;

  constructor(directory: string, buckets: readonly string[]) {
    this.#directory = directory;
    this.#buckets = buckets;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const S3rver = createRequire(import.meta.url)('s3rver') as S3ServerClass;
    const configureBuckets = this.#buckets.map((name) => ({ name }));
    const directory = this.#directory;
    this.#server = new S3rver({ port: this.#port, silent: true, directory, configureBuckets });
    this.#port = (await this.#server.run()).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    // A client that is asking just now would go on on its connection, and the server would wait for its end.
    const closed = server.close();
    server.httpServer.closeAllConnections();
    await closed;
  }

  /** The settings of a service that writes there. */
  get env(): Readonly<Record<string, string>> {
    return { S3_ENDPOINT: this.endpoint, S3_ACCESS_KEY_ID: S3_KEY, S3_SECRET_ACCESS_KEY: S3_KEY };
  }

  put(bucket: string, key: string, body: string | Uint8Array): Promise<void> {
    return this.#asked(async (client) => {
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    });
  }

  /** Keys with their content, in order. */
  objects(bucket: string): Promise<ReadonlyMap<string, Uint8Array>> {
    return this.#asked(async (client) => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
      const found = new Map<string, Uint8Array>();
      for (const { Key } of Contents) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
        found.set(Key ?? '', (await Body?.transformToByteArray()) ?? new Uint8Array());
      }
      return found;
    });
  }

  async #asked<T>(work: (client: S3Client) => Promise<T>): Promise<T> {
    const client = new S3Client({
      ...{ endpoint: this.endpoint, region: 'us-east-1', forcePathStyle: true },
      credentials: { accessKeyId: S3_KEY, secretAccessKey: S3_KEY },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
    try {
      return await work(client);
    } finally {
      client.destroy();
    }
  }
}
