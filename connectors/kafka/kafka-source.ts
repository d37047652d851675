import { MillraceError } from '../../engine/index.ts';
import {
  BATCH_MAX_BYTES,
  BATCH_MAX_RECORDS,
  type ConnectorIdentity,
  type JsonValue,
  type RecordSource,
  type SourceBatch,
  type SourceRecord,
} from '../intake/index.ts';
import {
  batchOf,
  type KafkaBatch,
  type KafkaCluster,
  type KafkaMessage,
  kafkaCluster,
  READ_COMMITTED,
} from './kafka-client.ts';
import { type KafkaConfig, type KafkaPosition, kafkaPosition } from './kafka-config.ts';
import { kafkaError } from './kafka-errors.ts';

const FETCH_WAIT_MS = 1_000;
const FETCH_MAX_BYTES = 4 * BATCH_MAX_BYTES;

type Offsets = Map<string, Map<number, bigint>>;
type Ranges = ReadonlyMap<number, { readonly low: bigint; readonly high: bigint }>;

/**
 * Topics of a Kafka cluster. The position is the offset of the next record of each partition, kept by the connector;
 * the offsets of a group are committed behind it, for tools, and never read. A record's place is
 * `topic/partition@offset`.
 */
export class KafkaSource implements RecordSource {
  readonly #config: KafkaConfig;
  readonly #group: string;
  readonly #allowPrivate: boolean;
  readonly #offsets: Offsets = new Map();
  #cluster: Promise<KafkaCluster> | undefined;
  #refused: MillraceError | undefined;

  constructor(config: KafkaConfig, { connector_id }: ConnectorIdentity, allowPrivate: boolean) {
    this.#config = config;
    this.#group = config.group_id ?? `millrace-${connector_id}`;
    this.#allowPrivate = allowPrivate;
  }

  async *read(position: JsonValue | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    try {
      const kept = position === undefined ? undefined : kafkaPosition.parse(position);
      const cluster = await within(signal, this.#open());
      await within(signal, this.#begin(cluster, kept));
      // Where `latest` was has to be known after a crash, too.
      yield { records: [], position: this.#position() };
      while (!signal.aborted) yield* this.#fetch(cluster, signal);
    } catch (error) {
      await this.close();
      if (signal.aborted) return;
      throw this.#refused ?? kafkaError(error);
    }
  }

  /** Sets where each partition is read from. */
  async #begin(cluster: KafkaCluster, kept: KafkaPosition | undefined): Promise<void> {
    this.#offsets.clear();
    for (const topic of this.#config.topics) {
      for (const [partition, range] of await rangesOf(cluster, topic)) {
        const at = kept?.[topic]?.[String(partition)];
        this.#set(topic, partition, this.#startOf(`${topic}/${partition}`, range, at, kept !== undefined));
      }
    }
  }

  #startOf(
    place: string,
    { low, high }: { readonly low: bigint; readonly high: bigint },
    at: string | undefined,
    isLater: boolean,
  ): bigint {
    if (at === undefined) return !isLater && this.#config.start === 'latest' ? high : low;
    const offset = BigInt(at);
    if (offset >= low && offset <= high) return offset;
    if (this.#config.on_gap === 'skip') return low;
    const why =
      offset < low
        ? `Kafka has removed records ${offset} to ${low - 1n} of ${place} before they were read`
        : `${place} ends at ${high}, and was read up to ${offset}: the topic was made again`;
    const message = `${why}. Set \`on_gap\` to "skip" to go on with what there is.`;
    throw new MillraceError(offset < low ? 'kafka_records_gone' : 'kafka_topic_replaced', message);
  }

  /** Asks every leader once. */
  async *#fetch(cluster: KafkaCluster, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    await within(signal, cluster.refreshMetadataIfNecessary());
    await within(signal, this.#takeNewPartitions(cluster));
    const fetches = [...this.#byLeader(cluster)].map(([node, topics]) => this.#ask(cluster, node, topics));
    for (const batches of await within(signal, Promise.all(fetches))) {
      for (const batch of batches) yield* this.#pieces(batch);
    }
  }

  /** Partitions that came since are read from their beginning. */
  async #takeNewPartitions(cluster: KafkaCluster): Promise<void> {
    for (const topic of this.#config.topics) {
      const before = this.#offsets.get(topic);
      const count = cluster.findTopicPartitionMetadata(topic).length;
      if (count === (before?.size ?? 0)) continue;
      for (const [partition, { low }] of await rangesOf(cluster, topic)) {
        if (before?.has(partition) !== true) this.#set(topic, partition, low);
      }
    }
  }

  #byLeader(cluster: KafkaCluster): ReadonlyMap<string, readonly (readonly [string, number])[]> {
    const leaders = new Map<string, (readonly [string, number])[]>();
    for (const [topic, partitions] of this.#offsets) {
      const found = cluster.findLeaderForPartitions(topic, [...partitions.keys()]);
      for (const [node, led] of Object.entries(found)) {
        const list = leaders.get(node) ?? [];
        list.push(...led.map((partition) => [topic, partition] as const));
        leaders.set(node, list);
      }
    }
    return leaders;
  }

  async #ask(
    cluster: KafkaCluster,
    nodeId: string,
    partitions: readonly (readonly [string, number])[],
  ): Promise<readonly KafkaBatch[]> {
    const broker = await cluster.findBroker({ nodeId });
    const topics = partitions.map(([topic, partition]) => ({
      topic,
      partitions: [
        { partition, fetchOffset: String(this.#next(topic, partition)), maxBytes: BATCH_MAX_BYTES },
      ],
    }));
    const { responses } = await broker.fetch({
      ...{ maxWaitTime: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_MAX_BYTES },
      ...{ isolationLevel: READ_COMMITTED, topics },
    });
    return responses.flatMap(({ topicName, partitions: data }) =>
      data.map((one) => batchOf(topicName, String(this.#next(topicName, one.partition)), one)),
    );
  }

  /** What was fetched of one partition in batches, each with the position behind it. */
  *#pieces(batch: KafkaBatch): Generator<SourceBatch> {
    const { topic, partition, messages, messagesWithinOffset: wanted, rawMessages } = batch;
    if (rawMessages.length === 0) return;
    const next = this.#next(topic, partition);
    // Where all that is left of a compressed set lies before the offset, what was there is compacted away.
    const end = wanted.length === 0 ? next + 1n : BigInt(wanted.at(-1)?.offset ?? 0) + 1n;
    for (const piece of piecesOf(messages)) {
      const isLast = piece.at(-1) === messages.at(-1);
      this.#set(topic, partition, isLast ? end : BigInt(piece.at(-1)?.offset ?? 0) + 1n);
      const records = piece.flatMap((message) => recordOf(batch, message));
      yield { records, position: this.#position() };
    }
  }

  async committed(position: JsonValue): Promise<void> {
    const kept = kafkaPosition.parse(position);
    const topics = Object.entries(kept).map(([topic, offsets]) => ({
      topic,
      partitions: Object.entries(offsets).map(([partition, offset]) => ({
        ...{ partition: Number(partition), offset },
      })),
    }));
    try {
      const cluster = await this.#open();
      const coordinator = await cluster.findGroupCoordinator({ groupId: this.#group });
      // Of no member: nobody is in the group.
      const member = { groupId: this.#group, groupGenerationId: -1, memberId: '' };
      await coordinator.offsetCommit({ ...member, topics });
    } catch {
      // For tools only; the next one says it again.
    }
  }

  async lag(): Promise<number | null> {
    if (this.#offsets.size === 0) return null;
    try {
      const cluster = await this.#open();
      let behind = 0n;
      for (const topic of this.#config.topics) {
        for (const [partition, { low, high }] of await rangesOf(cluster, topic)) {
          const next = this.#offsets.get(topic)?.get(partition) ?? low;
          if (high > next) behind += high - next;
        }
      }
      return Number(behind);
    } catch {
      return null;
    }
  }

  async close(): Promise<void> {
    const open = this.#cluster;
    this.#cluster = undefined;
    // One that never connected has nothing to be closed.
    await open?.then((cluster) => cluster.disconnect()).catch(() => undefined);
  }

  #open(): Promise<KafkaCluster> {
    this.#cluster ??= this.#connect();
    return this.#cluster;
  }

  async #connect(): Promise<KafkaCluster> {
    const cluster = kafkaCluster(this.#config, this.#allowPrivate, (why) => {
      this.#refused = why;
    });
    await cluster.connect();
    await cluster.addMultipleTargetTopics(this.#config.topics);
    return cluster;
  }

  #set(topic: string, partition: number, offset: bigint): void {
    const partitions = this.#offsets.get(topic) ?? new Map<number, bigint>();
    this.#offsets.set(topic, partitions.set(partition, offset));
  }

  #next(topic: string, partition: number): bigint {
    return this.#offsets.get(topic)?.get(partition) ?? 0n;
  }

  #position(): JsonValue {
    const text = (partitions: Map<number, bigint>): Record<string, string> =>
      Object.fromEntries([...partitions].map(([partition, offset]) => [String(partition), String(offset)]));
    return Object.fromEntries([...this.#offsets].map(([topic, partitions]) => [topic, text(partitions)]));
  }
}

/** First offset and the one behind the last of each partition of a topic. */
async function rangesOf(cluster: KafkaCluster, topic: string): Promise<Ranges> {
  const partitions = cluster
    .findTopicPartitionMetadata(topic)
    .map(({ partitionId }) => ({ partition: partitionId }));
  if (partitions.length === 0) {
    const message = `Kafka has no topic "${topic}", or these credentials may not see it.`;
    throw new MillraceError('kafka_topic_missing', message, { retriable: true });
  }
  const ask = async (fromBeginning: boolean) =>
    (await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]))[0]?.partitions ?? [];
  const lows = new Map((await ask(true)).map(({ partition, offset }) => [partition, BigInt(offset)]));
  const highs = await ask(false);
  return new Map(
    highs.map(({ partition, offset }) => [
      partition,
      { low: lows.get(partition) ?? 0n, high: BigInt(offset) },
    ]),
  );
}

/** What is begun, or the signal's reason as soon as it is aborted. */
async function within<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  let leave: () => void = () => undefined;
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
  });
  // What goes on behind an abort is nobody's error.
  work.catch(() => undefined);
  try {
    signal.throwIfAborted();
    return await Promise.race([work, left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** Messages in pieces of what a batch may hold; one empty piece where there are none. */
function piecesOf(messages: readonly KafkaMessage[]): readonly (readonly KafkaMessage[])[] {
  const pieces: KafkaMessage[][] = [[]];
  let bytes = 0;
  for (const message of messages) {
    const size = message.value?.length ?? 0;
    const piece = pieces.at(-1) ?? [];
    if (piece.length >= BATCH_MAX_RECORDS || (piece.length > 0 && bytes + size > BATCH_MAX_BYTES)) {
      pieces.push([message]);
      bytes = size;
    } else {
      piece.push(message);
      bytes += size;
    }
  }
  return pieces;
}

/** A record; none where the value is null, which takes back what a key said and is no event. */
function recordOf({ topic, partition }: KafkaBatch, message: KafkaMessage): readonly SourceRecord[] {
  const { key, value, offset, timestamp, headers = {} } = message;
  if (value === null) return [];
  const own = Object.entries(headers).flatMap(([name, given]) => {
    const [first] = [given].flat();
    return first === undefined ? [] : [[name.toLowerCase(), first.toString('utf8')] as const];
  });
  return [
    {
      value,
      place: `${topic}/${partition}@${offset}`,
      headers: {
        ...Object.fromEntries(own),
        ...(key === null ? {} : { 'kafka-key': key.toString('utf8') }),
        ...{ 'kafka-topic': topic, 'kafka-timestamp': timestamp },
      },
    },
  ];
}
