import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, expect, it, vi } from 'vitest';
import { HttpSender } from '../../connectors/index.ts';
import type { Definition } from '../definitions/index.ts';
import type { WebhookBody } from '../webhooks/index.ts';
import { PATIENTLY, Scene, SECRET } from './fixture-outbound.ts';

/** What is used of the package `standardwebhooks`. */
interface StandardWebhook {
  verify(body: string, headers: Readonly<Record<string, unknown>>): unknown;
}
const { Webhook } = createRequire(import.meta.url)('standardwebhooks') as {
  readonly Webhook: new (secret: string, options?: { readonly format: 'raw' }) => StandardWebhook;
};

const scene = new Scene();

describe('a webhook', () => {
  it('is told once, signed in both ways, whatever form its secret has', async () => {
    const process = await scene.start();
    const secrets = [SECRET, 'whsec_your_signing_secret', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'short'];
    for (const secret of secrets) await process.make({ secret, url: `${scene.receiver.url}/${secret}` });
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'a1', { metric: 'revenue', text: 'ä' });
    await vi.waitFor(() => expect(scene.receiver.received.length).toBe(secrets.length), PATIENTLY);
    expect(new Set(scene.ids()).size).toBe(1);
    for (const { path, headers, body } of scene.receiver.received) {
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
    const process = await scene.start();
    const replies = [500, 302, 200];
    scene.receiver.reply = ({ path }) => {
      const reply = path === '/never' ? 503 : (replies.shift() ?? 200);
      return reply === 302 ? { redirect: `${scene.receiver.url}/elsewhere` } : reply;
    };
    const webhook = await process.make();
    const other = await process.make({
      url: `${scene.receiver.url}/never`,
      retry: { max_retries: 1, delay_s: 1 },
    });
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'a1', {});
    await scene.logged(process, webhook, ['retrying', 'retrying', 'succeeded']);
    await scene.logged(process, other, ['retrying', 'failed']);
    const entries = await scene.entriesOf(process, webhook);
    expect(entries.map(({ response_status }) => response_status)).toEqual([500, 302, 200]);
    expect(entries[1]?.error?.message).toContain('Redirects are not followed');
    expect(entries.every(({ duration_ms }) => Number(duration_ms) >= 0)).toBe(true);
    expect(scene.receiver.received.filter(({ path }) => path === '/elsewhere')).toEqual([]);
    expect(new Set(scene.ids()).size).toBe(1);
    const [delivery] = await process.outbound.deliveries.log.deliveries(scene.tenant, webhook.id);
    expect(delivery).toMatchObject({ status: 'succeeded', next_attempt_at_ms: null });
    expect(delivery?.attempts.length).toBe(3);
  });

  it('that hangs keeps no other waiting, and is tried again', async () => {
    const process = await scene.start({ retry: { retries_max: 1, delay_ms: 20 } });
    let most = 0;
    scene.receiver.reply = ({ path }) => {
      most = Math.max(most, scene.receiver.hanging);
      return path === '/hang' ? 'never' : 200;
    };
    const hanging = await process.make({ url: `${scene.receiver.url}/hang` });
    const well = await process.make();
    for (let at = 0; at < 30; at++)
      await process.outbound.notify(scene.tenant, 'anomaly.detected', `a${at}`, {});
    await vi.waitFor(async () => expect((await scene.entriesOf(process, well)).length).toBe(30), PATIENTLY);
    // Five at once are all that hang, and those of before whose end is not noticed yet.
    expect(most).toBeLessThanOrEqual(10);
    await vi.waitFor(async () => {
      const [first] = await scene.entriesOf(process, hanging);
      expect(first).toMatchObject({
        status: 'retrying',
        response_status: null,
        error: { code: 'target_timeout' },
      });
    }, PATIENTLY);
  });

  it('is disabled by 410 at once, and by ten deliveries in a row that failed; enabled it goes on', async () => {
    const process = await scene.start({ retry: { retries_max: 1, delay_ms: 5 } });
    scene.receiver.reply = ({ path }) => (path === '/gone' ? 410 : 500);
    const gone = await process.make({ url: `${scene.receiver.url}/gone` });
    const failing = await process.make();
    for (let at = 0; at < 9; at++)
      await process.outbound.notify(scene.tenant, 'anomaly.detected', `a${at}`, {});
    const bodyOf = ({ id }: Definition<WebhookBody>): WebhookBody | undefined =>
      process.webhooks.get(scene.tenant, id)?.body;
    await vi.waitFor(async () => {
      const entries = await scene.entriesOf(process, failing);
      expect(entries.filter(({ status }) => status === 'failed').length).toBe(9);
    }, PATIENTLY);
    expect(bodyOf(failing)?.disabled).toBeNull();
    await vi.waitFor(() => expect(bodyOf(gone)?.disabled).toMatchObject({ reason: 'gone' }), PATIENTLY);
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'a9', {});
    await vi.waitFor(() => expect(bodyOf(failing)?.disabled).toMatchObject({ reason: 'failing' }), PATIENTLY);
    scene.receiver.reply = () => 200;
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'while-disabled', {});
    const before = scene.receiver.received.length;
    await process.webhooks.patch(scene.tenant, failing.id, process.outbound.webhooks.enabling());
    await vi.waitFor(() => expect(scene.receiver.received.length).toBe(before + 1), PATIENTLY);
    expect(JSON.parse(scene.receiver.received.at(-1)?.body ?? '')).toMatchObject({ id: 'while-disabled' });
  });

  it('at a private address is refused and not tried again, also when only its name says so', async () => {
    const asked: string[] = [];
    const resolve = async (name: string): Promise<readonly string[]> => {
      asked.push(name);
      return ['127.0.0.1'];
    };
    const process = await scene.start({ http: new HttpSender({ allowPrivate: false, resolve }) });
    const { port } = scene.receiver;
    const literal = await process.make();
    const named = await process.make({ url: `http://hooks.example:${port}/` });
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'a1', {});
    for (const webhook of [literal, named]) {
      await scene.logged(process, webhook, ['failed']);
      const [entry] = await scene.entriesOf(process, webhook);
      expect(entry?.error).toMatchObject({ code: 'target_forbidden' });
    }
    expect([asked, scene.receiver.received]).toEqual([['hooks.example'], []]);
    await expect(process.outbound.webhooks.check(named.body.url)).rejects.toMatchObject({
      code: 'target_forbidden',
    });
  });

  it('is sent a delivery again with the ids that it had, and a test that counts for nothing', async () => {
    const process = await scene.start({ retry: { retries_max: 0, delay_ms: 5 } });
    scene.receiver.reply = () => 500;
    const webhook = await process.make();
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'a1', { n: 1 });
    await scene.logged(process, webhook, ['failed']);
    scene.receiver.reply = () => 200;
    const [failed] = await process.outbound.webhooks.deliveries(webhook);
    const again = await process.outbound.webhooks.redeliver(webhook, String(failed?.delivery_id));
    expect(again).toMatchObject({ status: 'pending', delivery_id: failed?.delivery_id });
    await scene.logged(process, webhook, ['failed', 'pending', 'succeeded']);
    expect(new Set(scene.ids()).size).toBe(1);
    expect(new Set(scene.receiver.received.map(({ body }) => body)).size).toBe(1);
    const [delivery] = await process.outbound.webhooks.deliveries(webhook);
    expect(delivery).toMatchObject({ delivery_id: failed?.delivery_id, status: 'succeeded' });
    const tested = await process.outbound.webhooks.test(webhook, new AbortController().signal);
    expect(tested).toMatchObject({ status: 'succeeded', type: 'webhook.test', sequence: null });
    expect(await process.outbound.webhooks.redeliver(webhook, tested.delivery_id)).toBeNull();
    expect(await process.outbound.webhooks.redeliver(webhook, 'dlv_x')).toBeUndefined();
  });

  it('is told of nothing that it did not ask for, and forgotten with its log when it is deleted', async () => {
    const process = await scene.start();
    const webhook = await process.make({ events: ['export.*', 'order.*'] });
    const all = await process.make({ url: `${scene.receiver.url}/all`, events: ['*'] });
    await process.outbound.notify(scene.tenant, 'anomaly.detected', 'a1', {});
    await process.outbound.notify('another', 'export.failed', 'job_0', {});
    await process.outbound.notify(scene.tenant, 'export.failed', 'job_1', {});
    await scene.logged(process, webhook, ['succeeded']);
    await scene.logged(process, all, ['succeeded', 'succeeded']);
    await process.webhooks.patch(scene.tenant, webhook.id, { events: ['anomaly.detected'] });
    // Whoever looks for the change finds it in a moment.
    for (let at = 0; (await scene.entriesOf(process, webhook)).length < 2; at++) {
      await process.outbound.notify(scene.tenant, 'anomaly.detected', `b${at}`, {});
    }
    await process.webhooks.delete(scene.tenant, webhook.id);
    await process.outbound.webhooks.forget(webhook);
    expect(await scene.entriesOf(process, webhook)).toEqual([]);
  });
});
