import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { HttpReceiver } from './http-receiver.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';

const PATIENTLY_MS = 90_000;
const ORDERS = 120;

const scratch = new Scratch();
let nats: TestNats;
let link: NatsLink;
let receiver: HttpReceiver;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'webhooks-test' });
  receiver = await HttpReceiver.start();
});
afterAll(async () => {
  await scratch.clean();
  await receiver?.stop();
  await link?.close();
  await nats?.stop();
});

const publish = (from: number, to: number): Promise<unknown> =>
  new EventPublisher(link).publishAll(
    Array.from({ length: to - from }, (_, at) => ({
      subject: `events.default.o${from + at}`,
      payload: Buffer.from(
        JSON.stringify({
          ...{ event_id: `e${from + at}`, type: 'order.created', time: '2025-03-10T10:00:00Z' },
          ...{ order_id: `o${from + at}`, amount: 100, currency: 'EUR' },
        }),
      ),
    })),
  );

const told = (): readonly string[] =>
  receiver.received.map(({ body }) => String((JSON.parse(body) as { id: unknown }).id));

it('a service that is killed in the middle tells all there is, and repeats no more than it held', async () => {
  const env = {
    NATS_URL: nats.url,
    ...{ WEBHOOK_ALLOW_PRIVATE: '1', WEBHOOK_TIMEOUT: '1s', WEBHOOK_RETRY_DELAY: '100ms' },
    JOB_FILE_MAX_BYTES: '1024',
  };
  const dataDir = await scratch.dir('webhooks');
  let service: Millrace = await scratch.start({ dataDir, env });
  const made = await service.request('POST', '/webhooks', {
    body: { url: `${receiver.url}/hook`, events: ['order.*', 'export.failed'] },
  });
  expect([made.status, made.json.status]).toEqual([201, 'active']);
  const path = `/webhooks/${String(made.json.id)}`;
  const tested = await service.request('POST', `${path}/test`);
  expect(tested.json).toMatchObject({ status: 'succeeded', response_status: 204, type: 'webhook.test' });
  receiver.received.splice(0);

  // One in ten fails, one in ten hangs, each the first time.
  const met = new Set<string>();
  receiver.reply = ({ headers }) => {
    const id = String(headers['webhook-id']);
    if (met.has(id)) return 204;
    met.add(id);
    return met.size % 10 === 3 ? 500 : met.size % 10 === 7 ? 'never' : 204;
  };
  await publish(0, ORDERS / 2);
  await until(
    () => (receiver.received.length > 20 ? true : undefined),
    () => `some are told: ${service.output}`,
    PATIENTLY_MS,
  );
  await service.kill();
  await publish(ORDERS / 2, ORDERS);
  service = await scratch.start({ dataDir, env });
  const all = Array.from({ length: ORDERS }, (_, at) => `e${at}`);
  await until(
    () => (new Set(told()).size === ORDERS ? true : undefined),
    () => `all are told, ${new Set(told()).size} are: ${service.output}`,
    PATIENTLY_MS,
  );
  expect([...new Set(told())].sort()).toEqual([...all].sort());
  const ids = new Map(receiver.received.map(({ headers }, at) => [told()[at], headers['webhook-id']]));
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(ORDERS);
  expect(new Set(ids.values()).size).toBe(ORDERS);
  // An export that is larger than it may be.
  await service.untilApplied();
  const job = await service.request('POST', '/exports', { body: { query: {}, format: 'ndjson' } });
  await until(
    () => (told().includes(String(job.json.job_id)) ? true : undefined),
    () => `the failed export is told: ${service.output}`,
    PATIENTLY_MS,
  );
  const statuses = await until(
    async () => {
      const { json } = await service.request('GET', `${path}/deliveries?limit=1000`);
      const deliveries = json.deliveries as readonly { readonly status: string }[];
      const open = deliveries.filter(({ status }) => status === 'retrying');
      return deliveries.length === ORDERS + 2 && open.length === 0 ? deliveries : undefined;
    },
    () => 'the log has all of them',
    PATIENTLY_MS,
  );
  expect(new Set(statuses.map(({ status }) => status))).toEqual(new Set(['succeeded']));
  // Beyond one try for each there are those that failed or hung, and what the killed one held.
  const extra = receiver.received.length - (ORDERS + 1);
  expect(extra).toBeLessThanOrEqual(met.size / 5 + 2 + 10);

  receiver.reply = () => 'never';
  await publish(ORDERS, ORDERS + 1);
  await until(
    () => (told().includes(`e${ORDERS}`) ? true : undefined),
    () => 'one hangs',
    PATIENTLY_MS,
  );
  const { code, took_ms } = await service.terminate();
  expect([code, took_ms < 10_000]).toEqual([0, true]);
}, 300_000);

it('refuses a private target by default', async () => {
  const service = await scratch.start({ dataDir: await scratch.dir('webhooks-closed') });
  for (const url of [receiver.url, 'http://localhost/x', 'http://[::1]/', 'http://169.254.169.254/latest']) {
    const { status, json } = await service.request('POST', '/webhooks', {
      body: { url, events: ['order.*'] },
    });
    expect([url, status, json.code]).toEqual([url, 422, 'target_forbidden']);
  }
});
