import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, MillraceError, systemClock } from '../../engine/index.ts';
import {
  BATCH_MAX_RECORDS,
  type IntakeSurroundings,
  type JsonValue,
  type RecordSource,
  type SourceBatch,
  type SourceRecord,
} from '../intake/index.ts';
import { type KinesisRecords, KinesisStream, type Shard } from './kinesis-client.ts';
import {
  type KinesisConfig,
  type KinesisPosition,
  kinesisPosition,
  type ShardPosition,
} from './kinesis-config.ts';
import { firstPosition, laterPosition, placeOf, pruned, readable } from './shard-plan.ts';

/** Shards are listed again after so long, ms, and whenever one is read to its end. */
const SHARDS_KNOWN_MS = 30_000;
/** A shard without records moves the position so often, ms: records that expire behind it were read. */
const QUIET_TOLD_MS = 600_000;
/** Pause behind a request that was one too many, ms. */
const THROTTLED_MS = 1_000;

/**
 * A stream of Kinesis. The position names the last record of each shard; a shard that was made by a split or a merge is
 * read behind those that it was made of. A record's place is `stream/shard@sequence`.
 */
export class KinesisSource implements RecordSource {
  readonly #config: KinesisConfig;
  readonly #surroundings: Pick<IntakeSurroundings, 'http'>;
  readonly #stream: KinesisStream;
  readonly #clock: Clock;
  readonly #iterators = new Map<string, string>();
  /** How far each shard is behind, ms. */
  readonly #behind = new Map<string, number>();
  #shards: readonly Shard[] = [];
  #listed_ms = 0;
  #position: KinesisPosition = { created_ms: 0, shards: {} };

  constructor(
    config: KinesisConfig,
    surroundings: Pick<IntakeSurroundings, 'http'>,
    clock: Clock = systemClock,
  ) {
    this.#config = config;
    this.#surroundings = surroundings;
    this.#stream = new KinesisStream(config);
    this.#clock = clock;
  }

  async *read(position: JsonValue | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    try {
      await this.#begin(position, signal);
      yield { records: [], position: this.#position };
      let told_ms = this.#clock.now();
      while (!signal.aborted) {
        let hadAny = false;
        for (const { id } of readable(this.#shards, this.#position)) {
          const batch = await this.#ask(id, signal);
          hadAny ||= batch !== undefined;
          if (batch !== undefined) yield batch;
        }
        if (this.#clock.now() - this.#listed_ms > SHARDS_KNOWN_MS) await this.#list(signal);
        if (hadAny) told_ms = this.#clock.now();
        else if (this.#clock.now() - told_ms > QUIET_TOLD_MS) {
          told_ms = this.#clock.now();
          yield { records: [], position: this.#position };
        }
        if (!hadAny) await sleep(this.#config.poll_ms, undefined, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#iterators.clear();
    }
  }

  async #begin(position: JsonValue | undefined, signal: AbortSignal): Promise<void> {
    const { endpoint } = this.#config;
    if (endpoint !== undefined) await this.#surroundings.http.check(endpoint);
    this.#iterators.clear();
    this.#behind.clear();
    const summary = await this.#stream.summary(signal);
    await this.#list(signal);
    const now_ms = this.#clock.now();
    this.#position =
      position === undefined
        ? firstPosition(this.#config, summary, this.#shards, now_ms)
        : laterPosition(this.#config, summary, this.#shards, kinesisPosition.parse(position), now_ms);
  }

  async #list(signal: AbortSignal): Promise<void> {
    this.#shards = await this.#stream.shards(signal);
    this.#listed_ms = this.#clock.now();
    this.#position = pruned(this.#position, this.#shards);
  }

  /** One request to a shard; undefined where it has nothing new. */
  async #ask(shard: string, signal: AbortSignal): Promise<SourceBatch | undefined> {
    const at = this.#position.shards[shard];
    const iterator = this.#iterators.get(shard) ?? (await this.#stream.iterator(shard, placeOf(at), signal));
    const found = await this.#recordsOf(iterator, signal);
    this.#iterators.delete(shard);
    if (found === undefined) return undefined;
    const { records, next, behind_ms } = found;
    if (next !== null) this.#iterators.set(shard, next);
    this.#behind.set(shard, next === null ? 0 : behind_ms);
    const last = records.at(-1)?.sequence;
    const moved: ShardPosition = {
      ...at,
      ...(last === undefined ? {} : { after: last }),
      read_until_ms: this.#clock.now() - behind_ms,
      ...(next === null ? { done: true } : {}),
    };
    this.#position = { ...this.#position, shards: { ...this.#position.shards, [shard]: moved } };
    if (records.length === 0 && next !== null) return undefined;
    // What it was split into or merged with can be read now.
    if (next === null) await this.#list(signal);
    return { records: records.map((record) => this.#recordOf(shard, record)), position: this.#position };
  }

  async #recordsOf(iterator: string, signal: AbortSignal): Promise<KinesisRecords | undefined> {
    try {
      return await this.#stream.records(iterator, BATCH_MAX_RECORDS, signal);
    } catch (error) {
      const { name } = Object(error instanceof MillraceError ? error.cause : undefined) as { name?: string };
      if (name !== 'ProvisionedThroughputExceededException') throw error;
      await sleep(THROTTLED_MS, undefined, { signal });
      return undefined;
    }
  }

  #recordOf(shard: string, record: KinesisRecords['records'][number]): SourceRecord {
    return {
      value: record.data,
      place: `${this.#config.stream}/${shard}@${record.sequence}`,
      headers: {
        'kinesis-partition-key': record.key,
        'kinesis-arrival': new Date(record.arrived_ms).toISOString(),
      },
    };
  }

  /** Kinesis says how old what waits is, not how much it is: 0 or not known. */
  lag(): Promise<number | null> {
    const behind = [...this.#behind.values()];
    return Promise.resolve(behind.length > 0 && behind.every((ms) => ms === 0) ? 0 : null);
  }

  close(): Promise<void> {
    return this.#stream.close();
  }
}
