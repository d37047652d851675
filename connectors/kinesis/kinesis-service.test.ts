import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateStreamCommand,
  DescribeStreamSummaryCommand,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { type Millrace, until } from '../../test/process.ts';
import { Scratch } from '../../test/scratch.ts';
import { startTestKinesis, type TestKinesis } from './fixture-kinesis.ts';

/** The service reads from a real peer and is killed anywhere: its numbers are what was produced. */

const PATIENTLY_MS = 180_000;
const COUNT = 1_000;

const scratch = new Scratch();
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-peers-'));
});
afterAll(async () => {
  await scratch.clean();
  await rm(folder, { recursive: true, force: true });
});

const order = (at: number): string =>
  JSON.stringify({
    ...{ event_id: `e${at}`, type: 'order.created', order_id: `o${at}`, customer_id: `c${at % 31}` },
    ...{
      time: new Date(Date.UTC(2025, 2, 10) + at * 1_000).toISOString(),
      currency: 'EUR',
      amount: 100 + at,
    },
  });

const QUERY = {
  ...{ metrics: ['orders_count', 'revenue_gross'], force_fresh: true },
  ...{ start: '2025-03-10T00:00:00Z', end: '2025-03-12T00:00:00Z' },
};

/** Starts the service with a connector, kills it while it reads, and waits for all that was produced. */
async function readThroughKills(
  name: string,
  connector: object,
  produce: (from: number, count: number) => Promise<void>,
): Promise<Millrace> {
  const options = { dataDir: join(folder, name), env: { CONNECTOR_ALLOW_PRIVATE: '1' } };
  let service = await scratch.start(options);
  await service.untilOk();
  const made = await service.request('POST', '/connectors', { body: connector });
  expect([made.status, made.json.code]).toEqual([201, undefined]);
  const random = new SeededRandom(5);
  for (let kill = 0; kill < 2; kill++) {
    await produce((kill * COUNT) / 2, COUNT / 2);
    await sleep(random.int(200, 1_500));
    const { natsPid } = service;
    await service.kill();
    await until(
      () => (natsPid === undefined || !isRunning(natsPid) ? true : undefined),
      () => 'the embedded server ends with the service',
      60_000,
    );
    service = await scratch.start(options);
  }
  await until(
    async () => {
      const totals = await service.totals('default', QUERY);
      return totals.orders_count === COUNT ? true : undefined;
    },
    () => `${name}: all is read: ${service.output}`,
    PATIENTLY_MS,
    250,
  );
  const revenue = COUNT * 100 + (COUNT * (COUNT - 1)) / 2;
  expect(await service.totals('default', QUERY)).toMatchObject({
    ...{ orders_count: COUNT, revenue_gross: revenue },
  });
  const letters = await service.request('GET', '/dead-letters?state=all');
  expect(letters.json.dead_letters).toEqual([]);
  return service;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('Kinesis', () => {
  let kinesis: TestKinesis;
  beforeAll(async () => {
    kinesis = await startTestKinesis();
  }, PATIENTLY_MS);
  afterAll(() => kinesis?.stop());

  it('is read to the last record through kills of the service', { timeout: 2 * PATIENTLY_MS }, async () => {
    await kinesis.client.send(new CreateStreamCommand({ StreamName: 'shop', ShardCount: 2 }));
    await until(
      async () => {
        const { StreamDescriptionSummary: of } = await kinesis.client.send(
          new DescribeStreamSummaryCommand({ StreamName: 'shop' }),
        );
        return of?.StreamStatus === 'ACTIVE' ? true : undefined;
      },
      () => 'the stream is there',
      60_000,
    );
    const produce = async (from: number, count: number): Promise<void> => {
      for (let at = from; at < from + count; at += 250) {
        const Records = Array.from({ length: 250 }, (_, index) => ({
          ...{ Data: Buffer.from(order(at + index)), PartitionKey: `k${(at + index) % 9}` },
        }));
        await kinesis.client.send(new PutRecordsCommand({ StreamName: 'shop', Records }));
      }
    };
    const config = {
      ...{ stream: 'shop', region: 'us-east-1', endpoint: kinesis.endpoint, poll_ms: 200 },
      ...{ access_key_id: 'test', secret_access_key: 'test' },
    };
    const service = await readThroughKills('kinesis', { name: 'kinesis', type: 'kinesis', config }, produce);
    kinesis.cut();
    const [connector] = (await service.request('GET', '/connectors')).json.connectors as readonly {
      id: string;
    }[];
    const statusIs = (wanted: (health: unknown) => boolean, what: string): Promise<true> =>
      until(
        async () => {
          const { json } = await service.request('GET', `/connectors/${connector?.id}/status`);
          return wanted(json.health) ? true : undefined;
        },
        () => `the status says that it ${what}: ${service.output}`,
        PATIENTLY_MS,
        250,
      );
    await statusIs((health) => health === 'waiting', 'waits');
    kinesis.mend();
    await statusIs((health) => health !== 'waiting', 'goes on');
    await service.terminate();
  });
});
