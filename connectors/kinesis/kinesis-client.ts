import type { KinesisClient } from '@aws-sdk/client-kinesis';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import type { KinesisConfig } from './kinesis-config.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 15_000;
const ATTEMPTS = 2;

export interface Shard {
  readonly id: string;
  /** Those that it was made of by a split or a merge. */
  readonly parents: readonly string[];
  /** It takes no more records. */
  readonly isClosed: boolean;
}

export interface StreamSummary {
  readonly created_ms: number;
  readonly retention_ms: number;
}

export interface KinesisRecords {
  readonly records: readonly {
    readonly data: Uint8Array;
    readonly sequence: string;
    readonly key: string;
    readonly arrived_ms: number;
  }[];
  /** null: the shard is read to its end. */
  readonly next: string | null;
  readonly behind_ms: number;
}

/** Where in a shard is read from. */
export type ShardPlace =
  | { readonly kind: 'oldest' }
  | { readonly kind: 'after'; readonly sequence: string }
  | { readonly kind: 'time'; readonly at_ms: number };

/** What is asked of a stream of Kinesis. Throws MillraceError. The client is loaded when it is used first. */
export class KinesisStream {
  readonly #config: KinesisConfig;
  #client: Promise<KinesisClient> | undefined;

  constructor(config: KinesisConfig) {
    this.#config = config;
  }

  async summary(signal: AbortSignal): Promise<StreamSummary> {
    return this.#asked(async (client, sdk) => {
      const { StreamDescriptionSummary: of } = await client.send(
        new sdk.DescribeStreamSummaryCommand({ StreamName: this.#config.stream }),
        { abortSignal: signal },
      );
      const { StreamCreationTimestamp: made, RetentionPeriodHours: hours = 24 } = of ?? {};
      return { created_ms: made?.getTime() ?? 0, retention_ms: hours * 3_600_000 };
    });
  }

  async shards(signal: AbortSignal): Promise<readonly Shard[]> {
    return this.#asked(async (client, sdk) => {
      const shards: Shard[] = [];
      let next: string | undefined;
      do {
        const from = next === undefined ? { StreamName: this.#config.stream } : { NextToken: next };
        const page = await client.send(new sdk.ListShardsCommand(from), { abortSignal: signal });
        for (const { ShardId: id = '', SequenceNumberRange: range, ...shard } of page.Shards ?? []) {
          const parents = [shard.ParentShardId, shard.AdjacentParentShardId];
          shards.push({
            id,
            parents: parents.filter((parent) => parent !== undefined),
            isClosed: range?.EndingSequenceNumber !== undefined,
          });
        }
        next = page.NextToken;
      } while (next !== undefined);
      return shards;
    });
  }

  async iterator(shard: string, place: ShardPlace, signal: AbortSignal): Promise<string> {
    return this.#asked(async (client, sdk) => {
      const { ShardIterator: iterator = '' } = await client.send(
        new sdk.GetShardIteratorCommand({
          StreamName: this.#config.stream,
          ShardId: shard,
          ...(place.kind === 'oldest'
            ? { ShardIteratorType: 'TRIM_HORIZON' }
            : place.kind === 'time'
              ? { ShardIteratorType: 'AT_TIMESTAMP', Timestamp: new Date(place.at_ms) }
              : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', StartingSequenceNumber: place.sequence }),
        }),
        { abortSignal: signal },
      );
      return iterator;
    });
  }

  /** Undefined where the iterator is too old: take another one. */
  async records(iterator: string, limit: number, signal: AbortSignal): Promise<KinesisRecords | undefined> {
    return this.#asked(async (client, sdk) => {
      try {
        const command = new sdk.GetRecordsCommand({ ShardIterator: iterator, Limit: limit });
        const { Records, NextShardIterator, MillisBehindLatest } = await client.send(command, {
          abortSignal: signal,
        });
        return {
          records: (Records ?? []).map((record) => ({
            data: record.Data ?? new Uint8Array(0),
            sequence: record.SequenceNumber ?? '',
            key: record.PartitionKey ?? '',
            arrived_ms: record.ApproximateArrivalTimestamp?.getTime() ?? 0,
          })),
          next: NextShardIterator ?? null,
          behind_ms: MillisBehindLatest ?? 0,
        };
      } catch (error) {
        if (nameOf(error) === 'ExpiredIteratorException') return undefined;
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.then((open) => open.destroy()).catch(() => undefined);
  }

  async #asked<T>(
    work: (client: KinesisClient, sdk: typeof import('@aws-sdk/client-kinesis')) => Promise<T>,
  ): Promise<T> {
    const sdk = await import('@aws-sdk/client-kinesis');
    this.#client ??= this.#open(sdk);
    try {
      return await work(await this.#client, sdk);
    } catch (error) {
      throw kinesisError(error);
    }
  }

  async #open(sdk: typeof import('@aws-sdk/client-kinesis')): Promise<KinesisClient> {
    const { region, access_key_id, secret_access_key, endpoint } = this.#config;
    const { NodeHttpHandler } = await import('@smithy/node-http-handler');
    return new sdk.KinesisClient({
      region,
      credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
      ...(endpoint === undefined ? {} : { endpoint }),
      maxAttempts: ATTEMPTS,
      // Compatible servers speak HTTP/1.
      requestHandler: new NodeHttpHandler({
        ...{ connectionTimeout: CONNECT_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
        throwOnRequestTimeout: true,
      }),
    });
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

const REFUSED = [
  'AccessDeniedException',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'IncompleteSignatureException',
];

function kinesisError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const [name, { message }] = [nameOf(error), asMillraceError(error)];
  const why = error instanceof Error ? error.message : message;
  if (REFUSED.includes(name))
    return new MillraceError('kinesis_refused', `Kinesis refuses the credentials: ${why}`, { cause: error });
  const code = name === 'ResourceNotFoundException' ? 'kinesis_stream_missing' : 'kinesis_unavailable';
  const text = code === 'kinesis_unavailable' ? `Kinesis cannot be reached: ${why}` : why;
  return new MillraceError(code, text, { cause: error, retriable: true });
}
