import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { kafkaMissing, startTestKafka, type TestKafka, testClient } from './kafka-server.ts';
import { startTestKinesis, type TestKinesis } from './kinesis-server.ts';
import { sizes } from './long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

/** The service reads from real peers and is killed anywhere: its numbers are what was produced. */

const PATIENTLY_MS = 180_000;
const KILLS = sizes.live_kills;
/** Records between two kills. */
const STEP = 500;
const COUNT = KILLS * STEP;
const TOPIC = 'shop';

const missing = kafkaMissing();
if (missing !== undefined) console.log(`Kafka is left out: ${missing}.`);

/** A queue that a tenant of its name reads from. */
interface Peer {
  readonly name: string;
  readonly config: object;
  produce(from: number, count: number): Promise<void>;
  /** Nobody reaches it until `mend`. */
  cut(): void;
  mend(): void;
}

const scratch = new Scratch();
let nats: TestNats;
let kinesis: TestKinesis | undefined;
let kafka: TestKafka | undefined;
const peers: Peer[] = [];

beforeAll(async () => {
  [nats, kinesis] = await Promise.all([startTestNats(), startTestKinesis()]);
  peers.push(await kinesisPeer(kinesis));
  if (missing !== undefined) return;
  kafka = await startTestKafka();
  peers.push(kafkaPeer(kafka));
}, PATIENTLY_MS);
afterAll(async () => {
  await scratch.clean();
  kafka?.stop();
  await kinesis?.stop();
  await nats?.stop();
});

const order = (at: number): string =>
  JSON.stringify({
    ...{ event_id: `e${at}`, type: 'order.created', order_id: `o${at}`, customer_id: `c${at % 31}` },
    time: new Date(Date.UTC(2025, 2, 10) + at * 1_000).toISOString(),
    ...{ currency: 'EUR', amount: 100 + at },
  });

async function kinesisPeer(peer: TestKinesis): Promise<Peer> {
  await peer.client.send(new CreateStreamCommand({ StreamName: TOPIC, ShardCount: 2 }));
  await until(
    async () => {
      const asked = new DescribeStreamSummaryCommand({ StreamName: TOPIC });
      const { StreamDescriptionSummary: of } = await peer.client.send(asked);
      return of?.StreamStatus === 'ACTIVE' ? true : undefined;
    },
    () => 'the stream is there',
    PATIENTLY_MS,
  );
  return {
    name: 'kinesis',
    config: {
      ...{ stream: TOPIC, region: 'us-east-1', endpoint: peer.endpoint, poll_ms: 200 },
      ...{ access_key_id: 'test', secret_access_key: 'test' },
    },
    produce: async (from, count) => {
      for (let at = from; at < from + count; at += 250) {
        const Records = Array.from({ length: Math.min(250, from + count - at) }, (_, index) => ({
          ...{ Data: Buffer.from(order(at + index)), PartitionKey: `k${(at + index) % 9}` },
        }));
        await peer.client.send(new PutRecordsCommand({ StreamName: TOPIC, Records }));
      }
    },
    cut: () => peer.cut(),
    mend: () => peer.mend(),
  };
}

function kafkaPeer(peer: TestKafka): Peer {
  return {
    name: 'kafka',
    config: { brokers: [peer.broker], topics: [TOPIC] },
    produce: async (from, count) => {
      const producer = testClient(peer).producer();
      await producer.connect();
      const messages = Array.from({ length: count }, (_, index) => ({
        ...{ key: `k${(from + index) % 9}`, value: order(from + index) },
      }));
      await producer.send({ topic: TOPIC, messages });
      await producer.disconnect();
    },
    cut: () => process.kill(peer.pid, 'SIGSTOP'),
    mend: () => process.kill(peer.pid, 'SIGCONT'),
  };
}

const QUERY = {
  ...{ metrics: ['orders_count', 'revenue_gross'], force_fresh: true },
  ...{ start: '2025-03-10T00:00:00Z', end: '2025-03-12T00:00:00Z' },
};

async function untilAllCounted(service: Millrace, tenant: string, count: number): Promise<void> {
  let last: unknown;
  await until(
    async () => {
      last = await service.totals(tenant, QUERY);
      return (last as { orders_count?: number }).orders_count === count ? true : undefined;
    },
    () => `${tenant}: ${count} are counted, and not ${JSON.stringify(last)}: ${service.output}`,
    PATIENTLY_MS,
    250,
  );
  expect(last).toMatchObject({ revenue_gross: count * 100 + (count * (count - 1)) / 2 });
}

it('queues are read to the last record through kills of the service, and where they are away it waits', {
  timeout: 3 * PATIENTLY_MS,
}, async () => {
  const options = {
    dataDir: await scratch.dir('queues'),
    env: { NATS_URL: nats.url, CONNECTOR_ALLOW_PRIVATE: '1' },
  };
  let service = await scratch.start(options);
  await service.untilOk();
  const random = new SeededRandom(5);
  const ids = new Map<string, string>();
  for (let kill = 0; kill < KILLS; kill++) {
    await Promise.all(peers.map(({ produce }) => produce(kill * STEP, STEP)));
    for (const { name, config } of kill === 0 ? peers : []) {
      const body = { name, type: name, config };
      const made = await service.request('POST', '/connectors', { tenant: name, body });
      expect([made.status, made.json.code]).toEqual([201, undefined]);
      ids.set(name, String(made.json.id));
    }
    await sleep(random.int(200, 1_500));
    await service.kill();
    service = await scratch.start(options);
  }
  for (const { name } of peers) {
    await untilAllCounted(service, name, COUNT);
    const letters = await service.request('GET', '/dead-letters?state=all', { tenant: name });
    expect(letters.json.dead_letters).toEqual([]);
  }

  const untilHealth = async (name: string, wanted: (health: unknown) => boolean): Promise<unknown> => {
    let last: Readonly<Record<string, unknown>> = {};
    await until(
      async () => {
        last = (await service.request('GET', `/connectors/${ids.get(name)}/status`, { tenant: name })).json;
        return wanted(last.health) ? true : undefined;
      },
      () => `${name}: the status is as wanted: ${JSON.stringify(last)} ${service.output}`,
      PATIENTLY_MS,
      250,
    );
    return last.error;
  };
  for (const { cut } of peers) cut();
  try {
    for (const { name } of peers) {
      const error = await untilHealth(name, (health) => health === 'waiting');
      expect(error).toMatchObject({ code: `${name}_unavailable` });
    }
  } finally {
    for (const { mend } of peers) mend();
  }
  await Promise.all(peers.map(({ produce }) => produce(COUNT, 100)));
  for (const { name } of peers) {
    await untilAllCounted(service, name, COUNT + 100);
    await untilHealth(name, (health) => health === 'ok');
  }
});
