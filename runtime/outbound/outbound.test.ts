import { describe, expect, it, vi } from 'vitest';
import {
  type ChannelMessage,
  EventPublisher,
  Mailer,
  NOTICES_STREAM,
  openKeyValueStore,
  openManager,
  openMessageQueue,
} from '../../connectors/index.ts';
import { SmtpReceiver } from '../../test/smtp-receiver.ts';
import type { Channel } from './channels.ts';
import { PATIENTLY, Scene } from './fixture-outbound.ts';
import type { Outbound } from './outbound.ts';

const scene = new Scene();

describe('several processes', () => {
  it('tell each notice once between them; what one holds that dies another tells', async () => {
    const [one, two] = [await scene.start(), await scene.start()];
    const webhook = await one.make();
    await vi.waitFor(() => expect(two.webhooks.get(scene.tenant, webhook.id)).toBeDefined(), PATIENTLY);
    for (let at = 0; at < 40; at++) {
      await (at % 2 === 0 ? one : two).outbound.notify(scene.tenant, 'anomaly.detected', `a${at}`, {});
    }
    await vi.waitFor(() => expect(scene.receiver.received.length).toBe(40), PATIENTLY);
    expect(new Set(scene.ids()).size).toBe(40);
    scene.receiver.reply = () => 'never';
    await one.outbound.notify(scene.tenant, 'anomaly.detected', 'held', {});
    await vi.waitFor(() => expect(scene.receiver.hanging).toBeGreaterThan(0), PATIENTLY);
    scene.receiver.reply = () => 200;
    await one.close();
    await vi.waitFor(async () => {
      const last = (await scene.entriesOf(two, webhook)).at(-1);
      expect(last).toMatchObject({ status: 'succeeded', message_id: scene.ids().at(-1) });
    }, PATIENTLY);
    expect(new Set(scene.ids()).size).toBe(41);
  });
});

describe('sources', () => {
  it('are anomalies, exports that failed, and order events; each is told once', async () => {
    const [process] = [await scene.start(), await scene.start()];
    const webhook = await process.make({
      events: ['anomaly.*', 'export.failed', 'order.status_changed', 'order.created'],
    });
    await scene.start();
    const publisher = new EventPublisher(scene.link);
    const say = (subject: string, json: unknown, headers?: Record<string, string>): Promise<unknown> =>
      publisher.publishAll([
        {
          subject,
          payload: Buffer.from(JSON.stringify(json)),
          ...(headers === undefined ? {} : { headers }),
        },
      ]);
    await say(`anomalies.${scene.tenant}.revenue.high`, { id: 'an1', type: 'anomaly.revised', score: 0.9 });
    await say(`anomalies.${scene.tenant}.revenue.high`, { id: 'huge', text: 'x'.repeat(1_010_000) });
    const jobs = await openKeyValueStore(scene.link, 'millrace-jobs');
    const job = {
      ...{
        job_id: `job_${scene.tenant}`,
        tenant: scene.tenant,
        type: 'export',
        status: 'running',
        created_by: 'k',
      },
      ...{ created_at_ms: 1_700_000_000_000, finished_at_ms: null, error: null },
    };
    const made = await jobs.create(`job.${scene.tenant}.${job.job_id}`, job);
    const ended = {
      status: 'failed',
      finished_at_ms: 1_700_000_001_000,
      error: { code: 'disk_full', message: 'Full.' },
    };
    await jobs.update(`job.${scene.tenant}.${job.job_id}`, { ...job, ...ended }, made.ok ? made.revision : 0);
    const event = {
      type: 'Order_Status-Changed',
      time: '2026-03-05T10:30:00Z',
      order_id: 'o1',
      new_status: 'confirmed',
    };
    await say(`events.${scene.tenant}.x`, [
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
      `events.${scene.tenant}.x`,
      { order_id: 'o2', amount: 12 },
      { ...cloud, 'Content-Type': 'application/json' },
    );
    await vi.waitFor(async () => expect((await scene.entriesOf(process, webhook)).length).toBe(4), PATIENTLY);
    await vi.waitFor(async () => {
      const { num_ack_pending, num_pending } = await (await openManager(scene.link)).consumers.info(
        'ANOMALIES',
        'relay-anomalies',
      );
      expect([num_ack_pending, num_pending]).toEqual([0, 0]);
    }, PATIENTLY);
    const bodies = scene.receiver.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
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
    const sms = { url: `${scene.receiver.url}/sms`, user: 'AC1', password: 'p', from: '+15550001111' };
    const process = await scene.start({ mailer: mailer(), sms });
    const webhook = await process.make({ events: ['export.failed'] });
    const channels: readonly Channel[] = [
      { type: 'webhook', webhook_id: webhook.id },
      { type: 'slack', url: `${scene.receiver.url}/slack` },
      { type: 'email', to: ['ops@example.com'] },
      { type: 'pagerduty', routing_key: 'R'.repeat(32) },
      { type: 'sms', to: '+447700900123' },
    ];
    process.outbound.requireChannels(scene.tenant, channels);
    const replies = [500];
    scene.receiver.reply = () => replies.shift() ?? 200;
    await process.outbound.notify(
      scene.tenant,
      'alert.triggered',
      'n1',
      { alert: 'alert_1' },
      { channels, message },
    );
    await vi.waitFor(() => expect(scene.receiver.received.length).toBe(5), PATIENTLY);
    await vi.waitFor(() => expect(smtp.mails.length).toBe(1), PATIENTLY);
    expect(new Set(scene.receiver.received.map(({ path }) => path))).toEqual(
      new Set(['/hook', '/slack', '/pager', '/sms']),
    );
    expect(scene.receiver.received.find(({ path }) => path === '/pager')?.body).toContain('R'.repeat(32));
    expect(smtp.mails[0]).toMatchObject({ to: ['ops@example.com'] });
    expect(smtp.mails[0]?.text).toContain('expected 52,000, actual 12,000');
    await process.close();
    // Stored by one that ends before it tells: the next one finds it.
    const queue = await openMessageQueue(scene.link, NOTICES_STREAM);
    const [kept] = await queue.list(`notices.${scene.tenant}.to.channel-email`);
    const stored = (await queue.list(`notices.${scene.tenant}.>`)).map(({ data }) =>
      Buffer.from(data).toString(),
    );
    expect(stored.length).toBeGreaterThanOrEqual(5);
    for (const text of stored) {
      expect(text).not.toContain('R'.repeat(32));
      expect(text).not.toContain('/slack');
    }
    await queue.append({
      ...{ subject: String(kept?.subject), id: 'later' },
      data: Buffer.from(String(Buffer.from(kept?.data ?? new Uint8Array())).replace('"n1"', '"n2"')),
    });
    const next = await scene.start({ mailer: mailer(), sms });
    await vi.waitFor(() => expect(smtp.mails.length).toBe(2), PATIENTLY);
    // The server waits for its clients.
    await next.close();
    await smtp.stop();
  });

  it('that are not configured, or not there, are refused when they are named', async () => {
    const { outbound } = await scene.start();
    const naming = (channel: Parameters<Outbound['requireChannels']>[1][number]) => (): void =>
      outbound.requireChannels(scene.tenant, [{ type: 'slack', url: scene.receiver.url }, channel]);
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
