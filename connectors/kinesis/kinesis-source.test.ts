import {
  CreateStreamCommand,
  DeleteStreamCommand,
  DescribeStreamSummaryCommand,
  ListShardsCommand,
  MergeShardsCommand,
  PutRecordsCommand,
  SplitShardCommand,
} from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { startTestKinesis, type TestKinesis } from '../../test/kinesis-server.ts';
import { HttpSender } from '../http/index.ts';
import type { JsonValue } from '../intake/index.ts';
import { type KinesisPosition, kinesisConfig } from './kinesis-config.ts';
import { KinesisSource } from './kinesis-source.ts';
import { laterPosition } from './shard-plan.ts';

const PATIENTLY_MS = 120_000;
const KEYS = 20;

let kinesis: TestKinesis;
beforeAll(async () => {
  kinesis = await startTestKinesis();
}, PATIENTLY_MS);
afterAll(() => kinesis?.stop());

const configOf = (stream: string, members: object = {}) =>
  kinesisConfig.parse({
    ...{ stream, region: 'us-east-1', access_key_id: 'test', secret_access_key: 'test' },
    ...{ endpoint: kinesis.endpoint, poll_ms: 200, ...members },
  });

function sourceOf(stream: string, members: object = {}): KinesisSource {
  return new KinesisSource(configOf(stream, members), { http: new HttpSender({ allowPrivate: true }) });
}

async function active(stream: string): Promise<void> {
  await vi.waitFor(
    async () => {
      const { StreamDescriptionSummary: of } = await kinesis.client.send(
        new DescribeStreamSummaryCommand({ StreamName: stream }),
      );
      if (of?.StreamStatus !== 'ACTIVE') throw new Error(`${stream} is ${of?.StreamStatus}`);
    },
    { timeout: PATIENTLY_MS, interval: 20 },
  );
}

async function made(stream: string, shards: number): Promise<void> {
  await kinesis.client.send(new CreateStreamCommand({ StreamName: stream, ShardCount: shards }));
  await active(stream);
}

async function put(stream: string, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 500) {
    const length = Math.min(500, from + count - at);
    const Records = Array.from({ length }, (_, index) => ({
      Data: Buffer.from(String(at + index)),
      PartitionKey: `k${(at + index) % KEYS}`,
    }));
    await kinesis.client.send(new PutRecordsCommand({ StreamName: stream, Records }));
  }
}

interface Seen {
  /** Values by place, in the order of their first reading. */
  readonly records: Map<string, number>;
  position: JsonValue | undefined;
}

const nothing = (): Seen => ({ records: new Map(), position: undefined });

async function readOn(source: KinesisSource, seen: Seen, isEnough: () => boolean, batches_max = Infinity) {
  const late = AbortSignal.timeout(PATIENTLY_MS);
  let batches = 0;
  for await (const { records, position } of source.read(seen.position, late)) {
    for (const { value, place } of records) {
      if (!seen.records.has(place)) seen.records.set(place, Number(Buffer.from(value).toString()));
    }
    // The reader dies before this position is kept.
    if (++batches > batches_max) break;
    seen.position = JSON.parse(JSON.stringify(position)) as JsonValue;
    if (isEnough()) break;
  }
  await source.close();
  late.throwIfAborted();
}

/** Each key's values came in their order. */
function expectOrder(seen: Seen, count: number): void {
  const values = [...seen.records.values()];
  expect(new Set(values).size).toBe(count);
  expect(values.length).toBe(count);
  for (let key = 0; key < KEYS; key++) {
    const own = values.filter((value) => value % KEYS === key);
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
}

describe('a source of Kinesis', () => {
  it('gives every record through deaths, a split and a merge, each key in its order', {
    timeout: PATIENTLY_MS,
  }, async () => {
    await made('orders', 2);
    await put('orders', 0, 1_200);
    const seen = nothing();
    const random = new SeededRandom(11);
    for (let deaths = 0; deaths < 3; deaths++) {
      await readOn(sourceOf('orders'), seen, () => false, random.int(1, 2));
    }
    const listed = await kinesis.client.send(new ListShardsCommand({ StreamName: 'orders' }));
    const [first, second] = listed.Shards ?? [];
    const { StartingHashKey: low = '0', EndingHashKey: high = '0' } = first?.HashKeyRange ?? {};
    const middle = String((BigInt(low) + BigInt(high)) / 2n);
    await kinesis.client.send(
      new SplitShardCommand({
        StreamName: 'orders',
        ShardToSplit: first?.ShardId,
        NewStartingHashKey: middle,
      }),
    );
    await active('orders');
    await put('orders', 1_200, 400);
    const again = await kinesis.client.send(new ListShardsCommand({ StreamName: 'orders' }));
    const upper = again.Shards?.findLast(({ ParentShardId }) => ParentShardId === first?.ShardId);
    await kinesis.client.send(
      new MergeShardsCommand({
        ...{ StreamName: 'orders', ShardToMerge: upper?.ShardId, AdjacentShardToMerge: second?.ShardId },
      }),
    );
    await active('orders');
    await put('orders', 1_600, 400);
    const source = sourceOf('orders');
    await readOn(source, seen, () => seen.records.size === 2_000);
    expectOrder(seen, 2_000);
    await put('orders', 2_000, 1);
    const later: Seen = { records: new Map(), position: seen.position };
    await readOn(sourceOf('orders'), later, () => later.records.size > 0);
    expect([...later.records.values()]).toEqual([2_000]);
  });

  it('begins at what arrives from now on, where it is told to', { timeout: PATIENTLY_MS }, async () => {
    await made('late', 2);
    await put('late', 0, 50);
    // Kinesis compares arrival times by the second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const seen = nothing();
    await readOn(sourceOf('late', { start: 'latest' }), seen, () => true);
    await put('late', 50, 50);
    await readOn(sourceOf('late', { start: 'latest' }), seen, () => seen.records.size === 50);
    expect([...seen.records.values()].every((value) => value >= 50)).toBe(true);
  });

  it('says that it is away, and goes on when it is back', { timeout: PATIENTLY_MS }, async () => {
    await made('away', 1);
    await put('away', 0, 10);
    const seen = nothing();
    await readOn(sourceOf('away'), seen, () => seen.records.size === 10);
    kinesis.cut();
    await expect(readOn(sourceOf('away'), seen, () => false)).rejects.toMatchObject({
      ...{ code: 'kinesis_unavailable', retriable: true },
    });
    kinesis.mend();
    await put('away', 10, 10);
    await readOn(sourceOf('away'), seen, () => seen.records.size === 20);
    await expect(readOn(sourceOf('nowhere'), nothing(), () => false)).rejects.toMatchObject({
      ...{ code: 'kinesis_stream_missing', retriable: true },
    });
  });

  it('refuses a stream that was made again, and what may have expired unread', {
    timeout: PATIENTLY_MS,
  }, async () => {
    await made('again', 1);
    await put('again', 0, 5);
    const seen = nothing();
    await readOn(sourceOf('again'), seen, () => seen.records.size === 5);
    await kinesis.client.send(new DeleteStreamCommand({ StreamName: 'again' }));
    // A stream's age is told in seconds: one that is made again within one looks like the first.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await vi.waitFor(() => made('again', 1), { timeout: PATIENTLY_MS, interval: 1_100 });
    await put('again', 5, 5);
    const reading = readOn(sourceOf('again'), seen, () => false);
    await expect(reading).rejects.toMatchObject({ code: 'kinesis_stream_replaced', retriable: false });
    await readOn(sourceOf('again', { on_gap: 'skip' }), seen, () => seen.records.size === 10);

    const kept: KinesisPosition = { created_ms: 1, shards: { s: { after: '5', read_until_ms: 1_000 } } };
    const shard = { id: 's', parents: [], isClosed: false };
    const plan = (now_ms: number) => () =>
      laterPosition(configOf('x'), { created_ms: 1, retention_ms: 5_000 }, [shard], kept, now_ms);
    expect(plan(6_000)()).toEqual(kept);
    expect(plan(6_001)).toThrow(/may have expired/);
  });
});
