import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EVENTS_STREAM, type EventMessage, openManager } from '../connectors/index.ts';
import { isLong } from './long.ts';
import { type ClusterServer, endProcesses, startNatsCluster } from './nats-cluster.ts';
import { until } from './process.ts';
import { publishRetrying } from './retrying-publisher.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 120_000;
const TEST_MS = 600_000;
const PLACEMENT = { NATS_PLACEMENT_CLUSTER: 'three', NATS_PLACEMENT_TAGS: 'orders' };
/** Orders that are published while a server ends. */
const DURING = isLong ? 20_000 : 400;
const QUERY = {
  metrics: ['orders_count', 'revenue'],
  start: '2025-08-01T00:00:00Z',
  end: '2025-08-02T00:00:00Z',
};

const scratch = new Scratch();
const servers: ClusterServer[] = [];

beforeAll(async () => {
  servers.push(...(await startNatsCluster(await scratch.dir('cluster'))));
});

afterAll(async () => {
  await scratch.clean();
  await endProcesses(servers.map(({ process }) => process));
});

/** What a server that is there says of the stream of events, when the cluster has a leader. */
const replicasOf = (url: string): Promise<object> =>
  until(
    async () => {
      const link = await connectNats({ url, name: 'cluster-test' });
      try {
        const { config, cluster } = await (await openManager(link)).streams.info(EVENTS_STREAM.name);
        const { num_replicas: wanted, placement } = config;
        return { wanted, others: cluster?.replicas?.length ?? 0, placement };
      } finally {
        await link.close();
      }
    },
    () => `the stream is told of at ${url}`,
    PATIENTLY_MS,
  );

const ordersOf = (name: string, count: number): readonly EventMessage[] =>
  Array.from({ length: count }, (_, index) => {
    const id = `${name}-${index}`;
    const event = {
      ...{ event_id: id, type: 'order.created', time: '2025-08-01T12:00:00Z' },
      ...{ order_id: id, currency: 'EUR', amount: 100 },
    };
    return { subject: 'events.default.x', id, payload: Buffer.from(JSON.stringify(event)) };
  });

it(
  'streams of three replicas: a service and its events survive the end of the server that it is connected to',
  async () => {
    const [first, second] = servers.map(({ url }) => url) as [string, string];
    const publish = (url: string, name: string, count: number): Promise<void> =>
      publishRetrying([...ordersOf(name, count)], {
        ...{ target: () => Promise.resolve({ url }), chunk: count, pause_ms: 0 },
      });
    // The cluster may not have a leader when the first service starts: it says so, and is started again.
    const dataDir = await scratch.dir('cluster-data');
    const service = await until(
      async () => {
        const launched = scratch.launch({
          dataDir,
          env: { NATS_URL: first, NATS_REPLICAS: '3', ...PLACEMENT },
        });
        await launched.listening;
        return launched;
      },
      () => 'a service starts on the cluster',
      2 * PATIENTLY_MS,
    );
    await publish(first, 'before', 30);
    await service.untilApplied();
    expect(await replicasOf(first)).toEqual({
      ...{ wanted: 3, others: 2 },
      placement: { cluster: 'three', tags: ['orders'] },
    });

    // It ends while messages come in, and is the server that both the publisher and the service speak to.
    const [own] = servers;
    let target = first;
    // Without message ids: what is published again is stored again, and the pipeline knows it.
    const orders = ordersOf('during', DURING).map(({ subject, payload }) => ({ subject, payload }));
    await publishRetrying(orders, {
      ...{ target: () => Promise.resolve({ url: target }), chunk: DURING / 20, pause_ms: 20 },
      onProgress: (published) => {
        if (target !== first || published < DURING / 2) return;
        target = second;
        // With the next messages on their way.
        setTimeout(() => own?.process.kill('SIGKILL'), 25);
      },
    });
    expect(target).toBe(second);
    // What was confirmed is there, and what was published twice, for it was not confirmed, counts once.
    const total = 30 + DURING;
    await until(
      async () => ((await service.totals('default', QUERY)).orders_count === total ? true : undefined),
      () => `all ${total} orders are counted: ${service.output}`,
      PATIENTLY_MS,
    );
    expect(await service.totals('default', QUERY)).toMatchObject({
      orders_count: total,
      revenue: 100 * total,
    });
    await service.untilOk(PATIENTLY_MS);
    const forced = await service.request('POST', '/kpis/query', { body: { ...QUERY, force_fresh: true } });
    expect(forced.status).toBe(200);
    const { json } = await service.request('POST', '/ingest', {
      body: JSON.parse(Buffer.from(ordersOf('http', 1)[0]?.payload ?? '').toString()) as object,
    });
    expect(json.accepted).toBe(1);
    await service.terminate();
  },
  TEST_MS,
);
