import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { kafkaMissing, startTestKafka, type TestKafka, testClient } from '../../test/kafka-server.ts';
import type { JsonValue } from '../intake/index.ts';
import { kafkaConfig } from './kafka-config.ts';
import { sendToKafka } from './kafka-producer.ts';
import { KafkaSource } from './kafka-source.ts';

const missing = kafkaMissing();
if (missing !== undefined) console.log(`The tests of Kafka are skipped: ${missing}.`);

const PATIENTLY_MS = 120_000;
const COUNT = 3_000;
const identity = { tenant: 'default', connector_id: 'connector_1' };

let kafka: TestKafka;

function sourceOf(members: object): KafkaSource {
  return new KafkaSource(kafkaConfig.parse({ brokers: [kafka.broker], ...members }), identity, true);
}

async function produce(topic: string, from: number, count: number): Promise<void> {
  const producer = testClient(kafka).producer();
  await producer.connect();
  const messages = Array.from({ length: count }, (_, at) => ({
    ...{ key: `k${(from + at) % 50}`, value: `v${from + at}`, headers: { 'X-Shop': 'one' } },
  }));
  await producer.send({ topic, messages });
  await producer.disconnect();
}

interface Seen {
  /** By its place each record's value. */
  readonly records: Map<string, string>;
  position: JsonValue | undefined;
}

/** Reads on from what is kept until `isEnough`; keeps each batch but the last `lost`. */
async function readOn(source: KafkaSource, seen: Seen, isEnough: () => boolean, batches_max = Infinity) {
  const signal = AbortSignal.timeout(PATIENTLY_MS);
  const leaving = new AbortController();
  let batches = 0;
  const all = AbortSignal.any([signal, leaving.signal]);
  for await (const { records, position } of source.read(seen.position, all)) {
    for (const { value, place } of records) seen.records.set(place, Buffer.from(value).toString());
    // The reader dies before the position of this one is kept.
    if (++batches > batches_max) break;
    seen.position = position;
    await source.committed(position);
    if (isEnough()) break;
  }
  leaving.abort();
  await source.close();
  signal.throwIfAborted();
}

describe.skipIf(missing !== undefined)('a source of Kafka', () => {
  beforeAll(async () => {
    kafka = await startTestKafka();
  }, PATIENTLY_MS);
  afterAll(() => kafka?.stop());

  it('gives every record however often its reader dies, and commits for tools', {
    timeout: PATIENTLY_MS,
  }, async () => {
    await produce('orders', 0, COUNT);
    const random = new SeededRandom(7);
    const seen: Seen = { records: new Map(), position: undefined };
    for (let deaths = 0; deaths < 4; deaths++) {
      await readOn(sourceOf({ topics: ['orders'] }), seen, () => false, random.int(1, 2));
    }
    await produce('orders', COUNT, 100);
    await readOn(sourceOf({ topics: ['orders'] }), seen, () => seen.records.size === COUNT + 100);
    expect(new Set(seen.records.values()).size).toBe(COUNT + 100);
    const again: Seen = { records: new Map(), position: seen.position };
    await produce('orders', COUNT + 100, 1);
    await readOn(sourceOf({ topics: ['orders'] }), again, () => again.records.size > 0);
    expect([...again.records.values()]).toEqual([`v${COUNT + 100}`]);
    const admin = testClient(kafka).admin();
    await admin.connect();
    const [topic] = await admin.fetchOffsets({ groupId: 'millrace-connector_1', topics: ['orders'] });
    await admin.disconnect();
    const sum = topic?.partitions.reduce((all, { offset }) => all + Number(offset), 0);
    expect(sum).toBe(COUNT + 101);
  });

  it('begins at the end where it is told to, and misses nothing from then on', {
    timeout: PATIENTLY_MS,
  }, async () => {
    await produce('late', 0, 40);
    const seen: Seen = { records: new Map(), position: undefined };
    await readOn(sourceOf({ topics: ['late'], start: 'latest' }), seen, () => true);
    expect(seen.records.size).toBe(0);
    await produce('late', 40, 40);
    const source = sourceOf({ topics: ['late'], start: 'latest' });
    await readOn(source, seen, () => seen.records.size === 40);
    expect([...seen.records.values()].every((value) => Number(value.slice(1)) >= 40)).toBe(true);
  });

  it('refuses a topic that was made again, unless it is to go on', { timeout: PATIENTLY_MS }, async () => {
    await produce('again', 0, 10);
    const position = { again: { 0: '500', 1: '0', 2: '0', 3: '0' } };
    const seen: Seen = { records: new Map(), position };
    const reading = readOn(sourceOf({ topics: ['again'] }), seen, () => false);
    await expect(reading).rejects.toMatchObject({ code: 'kafka_topic_replaced', retriable: false });
    await readOn(sourceOf({ topics: ['again'], on_gap: 'skip' }), seen, () => seen.records.size === 10);
  });

  it('reads back what was sent to a topic, with its key and id', { timeout: PATIENTLY_MS }, async () => {
    // The topic is there once somebody has produced to it.
    await produce('out', 0, 1);
    const config = { brokers: [kafka.broker], topics: ['out'] };
    const records = async function* () {
      yield [1, 2, 3].map((at) => ({
        key: 'k',
        value: `sent-${at}`,
        headers: { 'millrace-id': `id-${at}` },
      }));
    };
    await sendToKafka(config, 'out', records(), true);
    const seen: Seen = { records: new Map(), position: undefined };
    await readOn(sourceOf({ topics: ['out'] }), seen, () => seen.records.size === 4);
    expect([...seen.records.values()].filter((value) => value.startsWith('sent')).sort()).toEqual([
      'sent-1',
      'sent-2',
      'sent-3',
    ]);
    await expect(sendToKafka(config, 'out', records(), false)).rejects.toMatchObject({
      code: 'target_forbidden',
    });
  });
});

it('private addresses are for installations that allow them', async () => {
  const config = kafkaConfig.parse({ brokers: ['127.0.0.1:9092'], topics: ['t'] });
  if (missing !== undefined) return;
  const source = new KafkaSource(config, identity, false);
  const reading = source.read(undefined, AbortSignal.timeout(PATIENTLY_MS)).next();
  await expect(reading).rejects.toMatchObject({ code: 'target_forbidden' });
  await source.close();
});
