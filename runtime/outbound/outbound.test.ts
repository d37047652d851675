import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  ANOMALIES_STREAM,
  type ChannelMessage,
  connectNats,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  EventPublisher,
  ensureStream,
  ensureStreams,
  HttpSender,
  Mailer,
  type NatsLink,
  NOTICES_STREAM,
  openKeyValueStore,
  openManager,
  openMessageQueue,
} from '../../connectors/index.ts';
import { systemClock } from '../../engine/index.ts';
import { HttpReceiver } from '../../test/http-receiver.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { SmtpReceiver } from '../../test/smtp-receiver.ts';
import { type Definition, Definitions, type KindDefinitions } from '../definitions/index.ts';
import type { LogEntry } from '../delivery/index.ts';
import { WEBHOOKS, type WebhookBody } from '../webhooks/index.ts';
import type { Channel } from './channels.ts';
import { Outbound, type OutboundPorts } from './outbound.ts';

/** What is used of the package `standardwebhooks`. */
interface StandardWebhook {
  verify(body: string, headers: Readonly<Record<string, unknown>>): unknown;
}
const { Webhook } = createRequire(import.meta.url)('standardwebhooks') as {
  readonly Webhook: new (secret: string, options?: { readonly format: 'raw' }) => StandardWebhook;
};

const SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
const PATIENTLY = { timeout: 30_000, interval: 10 };
const log = pino({ level: 'silent' });

let nats: TestNats;
let link: NatsLink;
let receiver: HttpReceiver;
let tenant = '';
let tenants = 0;
const running: Process[] = [];

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
  await ensureStreams(link);
  await ensureStream(await openManager(link), ANOMALIES_STREAM);
  await openKeyValueStore(link, 'millrace-jobs');
});
afterAll(async () => {
  await link?.close();
  await nats?.stop();
});
beforeEach(async () => {
  receiver = await HttpReceiver.start();
  tenant = `t${++tenants}`;
});
afterEach(async () => {
  for (const process of running.splice(0)) await process.close();
  await receiver.stop();
});

/** What one process of the service has of it, on a connection of its own. */
interface Process {
  readonly outbound: Outbound;
  readonly webhooks: KindDefinitions<WebhookBody>;
  make(more?: Readonly<Record<string, unknown>>): Promise<Definition<WebhookBody>>;
  close(): Promise<void>;
}

async function start(more: Partial<OutboundPorts> = {}): Promise<Process> {
  const own = await connectNats({ url: nats.url, name: 'process' });
  const definitions = new Definitions({
    store: await openKeyValueStore(own, 'defs'),
    clock: systemClock,
    log,
  });
  const webhooks = definitions.kind(WEBHOOKS);
  await definitions.open();
  const ports: OutboundPorts = {
    notices: await openMessageQueue(own, NOTICES_STREAM),
    deliveries: await openMessageQueue(own, DELIVERIES_STREAM),
    sources: {
      anomalies: await openMessageQueue(own, ANOMALIES_STREAM.name),
      jobs: await openMessageQueue(own, 'KV_millrace-jobs'),
      events: await openMessageQueue(own, EVENTS_STREAM.name),
    },
    http: new HttpSender({ allowPrivate: true, timeout_ms: 1_000 }),
    pagerDutyUrl: `${receiver.url}/pager`,
    retry: { retries_max: 3, delay_ms: 20 },
    timeout_ms: 1_000,
    ...more,
  };
  const outbound = new Outbound({ ports, webhooks, secret: Buffer.alloc(32, 7), clock: systemClock, log });
  outbound.start();
  let made = 0;
  const process: Process = {
    outbound,
    webhooks,
    make: ({ secret = SECRET, ...body } = {}) =>
      webhooks.create(tenant, {
        name: `w${++made}`,
        created_by: 'test',
        body: {
          ...{ url: `${receiver.url}/hook`, events: ['anomaly.detected'] },
          sealed_secret: outbound.webhooks.sealed(tenant, String(secret)),
          ...body,
        },
      }),
    close: async () => {
      await outbound.close();
      await definitions.close();
      await own.close();
    },
  };
  running.push(process);
  return process;
}

const entriesOf = ({ outbound }: Process, { id }: Definition<unknown>): Promise<readonly LogEntry[]> =>
  outbound.deliveries.log.entries(tenant, id);

/** Waits until the log of a webhook has so many entries, by their status. */
const logged = (process: Process, webhook: Definition<unknown>, statuses: readonly string[]): Promise<void> =>
  vi.waitFor(async () => {
    const entries = await entriesOf(process, webhook);
    expect(entries.map(({ status }) => status)).toEqual(statuses);
  }, PATIENTLY);

const ids = (): readonly unknown[] => receiver.received.map(({ headers }) => headers['webhook-id']);

describe('a webhook', () => {
  it('is told once, signed in both ways, whatever form its secret has', async () => {
    const process = await start();
    const secrets = [SECRET, 'whsec_your_signing_secret', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'short'];
    for (const secret of secrets) await process.make({ secret, url: `${receiver.url}/${secret}` });
    await process.outbound.notify(tenant, 'anomaly.detected', 'a1', { metric: 'revenue', text: 'ä' });
    await vi.waitFor(() => expect(receiver.received.length).toBe(secrets.length), PATIENTLY);
    expect(new Set(ids()).size).toBe(1);
    for (const { path, headers, body } of receiver.received) {
      const secret = path.slice(1);
      const hex = createHmac('sha256', secret).update(body).digest('hex');
      expect(headers['x-webhook-signature']).toBe(hex);
      const verifiers = [new Webhook(secret, { format: 'raw' })];
      if (secret === SECRET) verifiers[0] = new Webhook(secret);
      if (secret.startsWith('Mf')) verifiers.push(new Webhook(secret));
      for (const verifier of verifiers) expect(verifier.verify(body, headers)).toMatchObject({ id: 'a1' });
      expect(() => new Webhook(SECRET).verify(`${body} `, headers)).toThrow();
      expect(JSON.parse(body)).toEqual({
        ...{ id: 'a1', type: 'anomaly.detected', data: { metric: 'revenue', text: 'ä' } },
        timestamp: expect.stringMatching(/Z$/),
      });
    }
  });

  it('that fails is tried again with the same id, as often as its policy says', async () => {
    const process = await start();
    const replies = [500, 302, 200];
    receiver.reply = ({ path }) => {
      const reply = path === '/never' ? 503 : (replies.shift() ?? 200);
      return reply === 302 ? { redirect: `${receiver.url}/elsewhere` } : reply;
    };
    const webhook = await process.make();
    const other = await process.make({ url: `${receiver.url}/never`, retry: { max_retries: 1, delay_s: 1 } });
    await process.outbound.notify(tenant, 'anomaly.detected', 'a1', {});
    await logged(process, webhook, ['retrying', 'retrying', 'succeeded']);
    await logged(process, other, ['retrying', 'failed']);
    const entries = await entriesOf(process, webhook);
    expect(entries.map(({ response_status }) => response_status)).toEqual([500, 302, 200]);
    expect(entries[1]?.error?.message).toContain('Redirects are not followed');
    expect(entries.every(({ duration_ms }) => Number(duration_ms) >= 0)).toBe(true);
    expect(receiver.received.filter(({ path }) => path === '/elsewhere')).toEqual([]);
    expect(new Set(ids()).size).toBe(1);
    const [delivery] = await process.outbound.deliveries.log.deliveries(tenant, webhook.id);
    expect(delivery).toMatchObject({ status: 'succeeded', next_attempt_at_ms: null });
    expect(delivery?.attempts.length).toBe(3);
  });

  it('that hangs keeps no other waiting, and is tried again', async () => {
    const process = await start({ retry: { retries_max: 1, delay_ms: 20 } });
    receiver.reply = ({ path }) => (path === '/hang' ? 'never' : 200);
    const hanging = await process.make({ url: `${receiver.url}/hang` });
    const well = await process.make();
    for (let at = 0; at < 30; at++) await process.outbound.notify(tenant, 'anomaly.detected', `a${at}`, {});
    await vi.waitFor(async () => expect((await entriesOf(process, well)).length).toBe(30), PATIENTLY);
    // Five at once are all that hang; the others of it have not begun.
    expect(receiver.received.filter(({ path }) => path === '/hang').length).toBeLessThanOrEqual(10);
    await vi.waitFor(async () => {
      const [first] = await entriesOf(process, hanging);
      expect(first).toMatchObject({
        status: 'retrying',
        response_status: null,
        error: { code: 'target_timeout' },
      });
    }, PATIENTLY);
  });

  it('is disabled by 410 at once, and by ten deliveries in a row that failed; enabled it goes on', async () => {
    const process = await start({ retry: { retries_max: 1, delay_ms: 5 } });
    receiver.reply = ({ path }) => (path === '/gone' ? 410 : 500);
    const gone = await process.make({ url: `${receiver.url}/gone` });
    const failing = await process.make();
    for (let at = 0; at < 9; at++) await process.outbound.notify(tenant, 'anomaly.detected', `a${at}`, {});
    const bodyOf = ({ id }: Definition<WebhookBody>): WebhookBody | undefined =>
      process.webhooks.get(tenant, id)?.body;
    await vi.waitFor(async () => {
      const entries = await entriesOf(process, failing);
      expect(entries.filter(({ status }) => status === 'failed').length).toBe(9);
    }, PATIENTLY);
    expect(bodyOf(failing)?.disabled).toBeNull();
    await vi.waitFor(() => expect(bodyOf(gone)?.disabled).toMatchObject({ reason: 'gone' }), PATIENTLY);
    await process.outbound.notify(tenant, 'anomaly.detected', 'a9', {});
    await vi.waitFor(() => expect(bodyOf(failing)?.disabled).toMatchObject({ reason: 'failing' }), PATIENTLY);
    receiver.reply = () => 200;
    await process.outbound.notify(tenant, 'anomaly.detected', 'while-disabled', {});
    const before = receiver.received.length;
    await process.webhooks.patch(tenant, failing.id, process.outbound.webhooks.enabling());
    await vi.waitFor(() => expect(receiver.received.length).toBe(before + 1), PATIENTLY);
    expect(JSON.parse(receiver.received.at(-1)?.body ?? '')).toMatchObject({ id: 'while-disabled' });
  });

  it('at a private address is refused and not tried again, also when only its name says so', async () => {
    const asked: string[] = [];
    const resolve = async (name: string): Promise<readonly string[]> => {
      asked.push(name);
      return ['127.0.0.1'];
    };
    const process = await start({ http: new HttpSender({ allowPrivate: false, resolve }) });
    const { port } = receiver;
    const literal = await process.make();
    const named = await process.make({ url: `http://hooks.example:${port}/` });
    await process.outbound.notify(tenant, 'anomaly.detected', 'a1', {});
    for (const webhook of [literal, named]) {
      await logged(process, webhook, ['failed']);
      const [entry] = await entriesOf(process, webhook);
      expect(entry?.error).toMatchObject({ code: 'target_forbidden' });
    }
    expect([asked, receiver.received]).toEqual([['hooks.example'], []]);
    await expect(process.outbound.webhooks.check(named.body.url)).rejects.toMatchObject({
      code: 'target_forbidden',
    });
  });

  it('is sent a delivery again with the ids that it had, and a test that counts for nothing', async () => {
    const process = await start({ retry: { retries_max: 0, delay_ms: 5 } });
    receiver.reply = () => 500;
    const webhook = await process.make();
    await process.outbound.notify(tenant, 'anomaly.detected', 'a1', { n: 1 });
    await logged(process, webhook, ['failed']);
    receiver.reply = () => 200;
    const [failed] = await process.outbound.webhooks.deliveries(webhook);
    const again = await process.outbound.webhooks.redeliver(webhook, String(failed?.delivery_id));
    expect(again).toMatchObject({ status: 'pending', delivery_id: failed?.delivery_id });
    await logged(process, webhook, ['failed', 'pending', 'succeeded']);
    expect(new Set(ids()).size).toBe(1);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    const [delivery] = await process.outbound.webhooks.deliveries(webhook);
    expect(delivery).toMatchObject({ delivery_id: failed?.delivery_id, status: 'succeeded' });
    const tested = await process.outbound.webhooks.test(webhook, new AbortController().signal);
    expect(tested).toMatchObject({ status: 'succeeded', type: 'webhook.test', sequence: null });
    expect(await process.outbound.webhooks.redeliver(webhook, tested.delivery_id)).toBeNull();
    expect(await process.outbound.webhooks.redeliver(webhook, 'dlv_x')).toBeUndefined();
  });

  it('is told of nothing that it did not ask for, and forgotten with its log when it is deleted', async () => {
    const process = await start();
    const webhook = await process.make({ events: ['export.*', 'order.*'] });
    const all = await process.make({ url: `${receiver.url}/all`, events: ['*'] });
    await process.outbound.notify(tenant, 'anomaly.detected', 'a1', {});
    await process.outbound.notify('another', 'export.failed', 'job_0', {});
    await process.outbound.notify(tenant, 'export.failed', 'job_1', {});
    await logged(process, webhook, ['succeeded']);
    await logged(process, all, ['succeeded', 'succeeded']);
    await process.webhooks.patch(tenant, webhook.id, { events: ['anomaly.detected'] });
    // Whoever looks for the change finds it in a moment.
    for (let at = 0; (await entriesOf(process, webhook)).length < 2; at++) {
      await process.outbound.notify(tenant, 'anomaly.detected', `b${at}`, {});
    }
    await process.webhooks.delete(tenant, webhook.id);
    await process.outbound.webhooks.forget(webhook);
    expect(await entriesOf(process, webhook)).toEqual([]);
  });
});

describe('several processes', () => {
  it('tell each notice once between them; what one holds that dies another tells', async () => {
    const [one, two] = [await start(), await start()];
    const webhook = await one.make();
    await vi.waitFor(() => expect(two.webhooks.get(tenant, webhook.id)).toBeDefined(), PATIENTLY);
    for (let at = 0; at < 40; at++) {
      await (at % 2 === 0 ? one : two).outbound.notify(tenant, 'anomaly.detected', `a${at}`, {});
    }
    await vi.waitFor(() => expect(receiver.received.length).toBe(40), PATIENTLY);
    expect(new Set(ids()).size).toBe(40);
    receiver.reply = () => 'never';
    await one.outbound.notify(tenant, 'anomaly.detected', 'held', {});
    await vi.waitFor(() => expect(receiver.hanging).toBeGreaterThan(0), PATIENTLY);
    receiver.reply = () => 200;
    await one.close();
    await vi.waitFor(async () => {
      const last = (await entriesOf(two, webhook)).at(-1);
      expect(last).toMatchObject({ status: 'succeeded', message_id: ids().at(-1) });
    }, PATIENTLY);
    expect(new Set(ids()).size).toBe(41);
  });
});

describe('sources', () => {
  it('are anomalies, exports that failed, and order events; each is told once', async () => {
    const [process] = [await start(), await start()];
    const webhook = await process.make({
      events: ['anomaly.*', 'export.failed', 'order.status_changed', 'order.created'],
    });
    await start();
    const publisher = new EventPublisher(link);
    const say = (subject: string, json: unknown, headers?: Record<string, string>): Promise<unknown> =>
      publisher.publishAll([
        {
          subject,
          payload: Buffer.from(JSON.stringify(json)),
          ...(headers === undefined ? {} : { headers }),
        },
      ]);
    await say(`anomalies.${tenant}.revenue.high`, { id: 'an1', type: 'anomaly.revised', score: 0.9 });
    const jobs = await openKeyValueStore(link, 'millrace-jobs');
    const job = {
      ...{ job_id: `job_${tenant}`, tenant, type: 'export', status: 'running', created_by: 'k' },
      ...{ created_at_ms: 1_700_000_000_000, finished_at_ms: null, error: null },
    };
    const made = await jobs.create(`job.${tenant}.${job.job_id}`, job);
    const ended = {
      status: 'failed',
      finished_at_ms: 1_700_000_001_000,
      error: { code: 'disk_full', message: 'Full.' },
    };
    await jobs.update(`job.${tenant}.${job.job_id}`, { ...job, ...ended }, made.ok ? made.revision : 0);
    const event = {
      type: 'Order_Status-Changed',
      time: '2026-03-05T10:30:00Z',
      order_id: 'o1',
      new_status: 'confirmed',
    };
    await say(`events.${tenant}.x`, [
      { ...event, event_id: 'e1' },
      { ...event, event_id: 'e2', type: 'order.shipped' },
      { ...event, event_id: 'e3', type: 'visit' },
      { ...event, event_id: 'e1' },
      { event_id: 'bad', type: 'order.created' },
    ]);
    const cloud = {
      'ce-specversion': '1.0',
      'ce-id': 'e4',
      'ce-type': 'order.created',
      'ce-source': 's',
      'ce-time': event.time,
    };
    await say(
      `events.${tenant}.x`,
      { order_id: 'o2', amount: 12 },
      { ...cloud, 'Content-Type': 'application/json' },
    );
    await vi.waitFor(async () => expect((await entriesOf(process, webhook)).length).toBe(4), PATIENTLY);
    const bodies = receiver.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    const byType = new Map(bodies.map((body) => [body.type, body]));
    expect(byType.get('anomaly.revised')).toMatchObject({ data: { id: 'an1', score: 0.9 } });
    expect(byType.get('export.failed')).toMatchObject({ id: job.job_id, data: { error: ended.error } });
    expect(byType.get('order.status_changed')).toMatchObject({
      ...{ id: 'e1', timestamp: '2026-03-05T10:30:00.000Z' },
      data: { order_id: 'o1', new_status: 'confirmed' },
    });
    expect(byType.get('order.created')).toMatchObject({ id: 'e4', data: { order_id: 'o2', amount: 12 } });
  });
});

describe('channels', () => {
  const message: ChannelMessage = {
    ...{ title: 'Revenue 77 % below', text: 'expected 52,000, actual 12,000', severity: 'critical' },
    ...{ about: 'alert_1', isResolved: false, time_ms: 1_700_000_000_000 },
  };

  it('are told by whichever process is there, each once', async () => {
    const smtp = await SmtpReceiver.start();
    const mailer = (): Mailer => new Mailer({ url: smtp.urlOf(), from: 'Millrace <a@example.com>' });
    const sms = { url: `${receiver.url}/sms`, user: 'AC1', password: 'p', from: '+15550001111' };
    const process = await start({ mailer: mailer(), sms });
    const webhook = await process.make({ events: ['export.failed'] });
    const channels: readonly Channel[] = [
      { type: 'webhook', webhook_id: webhook.id },
      { type: 'slack', url: `${receiver.url}/slack` },
      { type: 'email', to: ['ops@example.com'] },
      { type: 'pagerduty', routing_key: 'R'.repeat(32) },
      { type: 'sms', to: '+447700900123' },
    ];
    process.outbound.requireChannels(tenant, channels);
    const replies = [500];
    receiver.reply = () => replies.shift() ?? 200;
    await process.outbound.notify(
      tenant,
      'alert.triggered',
      'n1',
      { alert: 'alert_1' },
      { channels, message },
    );
    await vi.waitFor(() => expect(receiver.received.length).toBe(5), PATIENTLY);
    await vi.waitFor(() => expect(smtp.mails.length).toBe(1), PATIENTLY);
    expect(new Set(receiver.received.map(({ path }) => path))).toEqual(
      new Set(['/hook', '/slack', '/pager', '/sms']),
    );
    expect(smtp.mails[0]).toMatchObject({ to: ['ops@example.com'] });
    expect(smtp.mails[0]?.text).toContain('expected 52,000, actual 12,000');
    await process.close();
    running.splice(running.indexOf(process), 1);
    // Stored by one that ends before it tells: the next one finds it.
    const queue = await openMessageQueue(link, NOTICES_STREAM);
    const [kept] = await queue.list(`notices.${tenant}.to.channel-email`);
    await queue.append({
      ...{ subject: String(kept?.subject), id: 'later' },
      data: Buffer.from(String(Buffer.from(kept?.data ?? new Uint8Array())).replace('"n1"', '"n2"')),
    });
    const next = await start({ mailer: mailer(), sms });
    await vi.waitFor(() => expect(smtp.mails.length).toBe(2), PATIENTLY);
    // The server waits for its clients.
    await next.close();
    running.splice(running.indexOf(next), 1);
    await smtp.stop();
  });

  it('that are not configured, or not there, are refused when they are named', async () => {
    const { outbound } = await start();
    const naming = (channel: Parameters<Outbound['requireChannels']>[1][number]) => (): void =>
      outbound.requireChannels(tenant, [{ type: 'slack', url: receiver.url }, channel]);
    const refused = { code: 'channel_not_configured', status: 422 };
    expect(naming({ type: 'email', to: ['a@example.com'] })).toThrow(expect.objectContaining(refused));
    expect(naming({ type: 'sms', to: '+447700900123' })).toThrow(expect.objectContaining(refused));
    expect(naming({ type: 'webhook', webhook_id: 'webhook_x' })).toThrow(
      expect.objectContaining({
        code: 'validation_failed',
        errors: [{ path: 'channels.1.webhook_id', message: expect.any(String) }],
      }),
    );
    expect(naming({ type: 'pagerduty', routing_key: 'R'.repeat(32) })).not.toThrow();
  });
});
