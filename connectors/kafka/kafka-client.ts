import { createRequire } from 'node:module';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { MillraceError } from '../../engine/index.ts';
import { isPublicAddress, publicLookup } from '../http/index.ts';
import type { KafkaConfig } from './kafka-config.ts';

/** What is used of the package `kafkajs`, which is loaded where a connector needs it. */
export interface KafkaMessage {
  readonly key: Buffer | null;
  /** null: what was said under the key before is taken back. */
  readonly value: Buffer | null;
  readonly timestamp: string;
  readonly offset: string;
  readonly headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
}

interface PartitionData {
  readonly partition: number;
  readonly highWatermark: string;
}

/** What a fetch brought of one partition. */
export interface KafkaBatch {
  readonly topic: string;
  readonly partition: number;
  readonly highWatermark: string;
  /** As the broker sent them. */
  readonly rawMessages: readonly KafkaMessage[];
  /** Without what lies before the offset that was asked for. */
  readonly messagesWithinOffset: readonly KafkaMessage[];
  /** Without control records and aborted transactions. */
  readonly messages: readonly KafkaMessage[];
}

export interface TopicPartitions<P> {
  readonly topic: string;
  readonly partitions: readonly P[];
}

interface KafkaBroker {
  fetch(request: {
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly isolationLevel: number;
    readonly topics: readonly TopicPartitions<{
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }>[];
  }): Promise<{
    readonly responses: readonly {
      readonly topicName: string;
      readonly partitions: readonly PartitionData[];
    }[];
  }>;
  offsetCommit(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
    readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly offset: string }>[];
  }): Promise<unknown>;
}

export interface KafkaCluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
  /** Partitions by the node that leads them. */
  findLeaderForPartitions(
    topic: string,
    partitions: readonly number[],
  ): Readonly<Record<string, readonly number[]>>;
  findBroker(options: { readonly nodeId: string }): Promise<KafkaBroker>;
  findGroupCoordinator(options: { readonly groupId: string }): Promise<KafkaBroker>;
  fetchTopicsOffset(
    topics: readonly (TopicPartitions<{ readonly partition: number }> & {
      readonly fromBeginning: boolean;
    })[],
  ): Promise<readonly TopicPartitions<{ readonly partition: number; readonly offset: string }>[]>;
}

interface KafkaPackage {
  readonly Cluster: new (options: object) => KafkaCluster;
  readonly Batch: new (topic: string, offset: string, data: PartitionData) => KafkaBatch;
  readonly createLogger: (options: object) => object;
  readonly silent: object;
}

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Leaders and partitions are asked for again after so long, ms. */
const METADATA_MAX_AGE_MS = 60_000;
const RETRIES = 2;

/**
 * The cluster of a config, not connected yet. It is read without joining a group: a group would hold up a reader after a
 * crash until its former member is given up, and its offsets would be a second truth. The package has that in its inner
 * modules only, which is why its version is fixed. Throws `connector_unavailable` where the package is not there.
 */
export function kafkaCluster(
  config: KafkaConfig,
  allowPrivate: boolean,
  /** Told of an address that may not be reached: the package's own errors do not say it. */
  refused: (why: MillraceError) => void,
): KafkaCluster {
  const { Cluster, createLogger, silent } = loaded();
  return new Cluster({
    ...clientOptions(config, allowPrivate, refused),
    // Errors come as what calls throw.
    logger: createLogger(silent),
    ...{ metadataMaxAge: METADATA_MAX_AGE_MS, maxInFlightRequests: null },
    allowAutoTopicCreation: false,
    isolationLevel: READ_COMMITTED,
  });
}

/** How the brokers of a config are reached. */
export function clientOptions(
  { sasl, tls, brokers, client_id }: KafkaConfig,
  allowPrivate: boolean,
  refused: (why: MillraceError) => void,
): object {
  return {
    clientId: client_id,
    brokers: [...brokers],
    ...{ connectionTimeout: CONNECT_TIMEOUT_MS, authenticationTimeout: REQUEST_TIMEOUT_MS },
    ...{ reauthenticationThreshold: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    enforceRequestTimeout: true,
    // What stays away is the connector's to tell and to try again.
    retry: { retries: RETRIES },
    ssl: tls ? {} : undefined,
    ...(sasl === undefined ? {} : { sasl }),
    socketFactory: (asked: SocketRequest) => openSocket(asked, allowPrivate, refused),
  };
}

export const READ_COMMITTED = 1;

/** What a fetch brought of one partition, without what a reader may not see. */
export function batchOf(topic: string, offset: string, data: PartitionData): KafkaBatch {
  const { Batch } = loaded();
  return new Batch(topic, offset, data);
}

let known: KafkaPackage | undefined;

function loaded(): KafkaPackage {
  known ??= load();
  return known;
}

function load(): KafkaPackage {
  const require = createRequire(import.meta.url);
  try {
    const { createLogger } = require('kafkajs/src/loggers') as Pick<KafkaPackage, 'createLogger'>;
    const logCreator = (): (() => void) => () => undefined;
    return {
      Cluster: require('kafkajs/src/cluster') as KafkaPackage['Cluster'],
      Batch: require('kafkajs/src/consumer/batch') as KafkaPackage['Batch'],
      createLogger,
      silent: { level: 0, logCreator },
    };
  } catch (cause) {
    const message = 'The package kafkajs is not installed: run `npm ci`.';
    throw new MillraceError('connector_unavailable', message, { cause });
  }
}

interface SocketRequest {
  readonly host: string;
  readonly port: number;
  /** null: without encryption. */
  readonly ssl: ConnectionOptions | null | undefined;
  readonly onConnect: () => void;
}

/** A socket to a broker. Those that the cluster names are checked as those of the config are. */
function openSocket(
  { host, port, ssl, onConnect }: SocketRequest,
  allowPrivate: boolean,
  refused: (why: MillraceError) => void,
): Socket {
  const isName = isIP(host) === 0;
  if (!allowPrivate && (isName ? OWN_NAME.test(host) : !isPublicAddress(host))) {
    const why = forbidden(host);
    refused(why);
    throw why;
  }
  const lookup: LookupFunction = (name, options, callback) =>
    publicLookup(name, options, (error, ...found) => {
      if (error instanceof MillraceError) refused(error);
      callback(error, ...found);
    });
  const options = allowPrivate ? { host, port } : { host, port, lookup };
  const secure = { ...options, ...(isName ? { servername: host } : {}), ...ssl };
  const socket =
    ssl === undefined || ssl === null ? connect(options, onConnect) : connectTls(secure, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

const KEEP_ALIVE_MS = 60_000;
const OWN_NAME = /(?:^|\.)localhost\.?$/i;

const forbidden = (host: string): MillraceError =>
  new MillraceError('target_forbidden', `"${host}" is a private address, which connectors may not reach.`);
