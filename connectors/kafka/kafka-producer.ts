import { createRequire } from 'node:module';
import { MillraceError } from '../../engine/index.ts';
import { clientOptions } from './kafka-client.ts';
import { kafkaConfig } from './kafka-config.ts';
import { kafkaError } from './kafka-errors.ts';

/** What is sent to a topic. */
export interface KafkaRecord {
  readonly key: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Producer {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  send(options: {
    readonly topic: string;
    readonly acks: number;
    readonly messages: readonly KafkaRecord[];
  }): Promise<unknown>;
}

const ALL_REPLICAS = -1;

/**
 * Sends records to a topic of the cluster that the config of a Kafka connector names, and resolves when all of its
 * replicas have them. Throws as the source does.
 */
export async function sendToKafka(
  config: unknown,
  topic: string,
  records: AsyncIterable<readonly KafkaRecord[]>,
  allowPrivate: boolean,
): Promise<void> {
  let refused: MillraceError | undefined;
  const options = clientOptions(kafkaConfig.parse(config), allowPrivate, (why) => {
    refused = why;
  });
  const { Kafka } = createRequire(import.meta.url)('kafkajs') as {
    readonly Kafka: new (options: object) => { producer(options: object): Producer };
  };
  process.env.KAFKAJS_NO_PARTITIONER_WARNING ??= '1';
  const producer = new Kafka({ ...options, logLevel: 0 }).producer({ allowAutoTopicCreation: false });
  try {
    await producer.connect();
    for await (const messages of records) await producer.send({ topic, acks: ALL_REPLICAS, messages });
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    throw refused ?? kafkaError(error);
  } finally {
    await producer.disconnect().catch(() => undefined);
  }
}
