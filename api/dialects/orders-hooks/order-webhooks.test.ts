import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import { at, type Json, jsonOf, make, postedTo, say } from './fixture-hooks.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

/** In minutes. */
const DAY = 1_440;
const HOOKS = '/api/v1/order-webhooks';
const URL_1 = 'https://yourapp.example.com/webhook/orders';
/** As the specification has it. */
const SPEC_BODY = {
  url: URL_1,
  secret: 'whsec_your_signing_secret',
  events: ['order.created', 'order.status_changed', 'order.delivered'],
  is_active: true,
};

/** What the events so far have told a webhook that asked for `*`, as `event old>new`. */
async function toldOf(count: number, url = URL_1): Promise<readonly string[]> {
  const posted = await postedTo(test, url, count);
  return posted.map(({ event, payload }) => {
    const { old_status, new_status } = payload as Json;
    return `${String(event)} ${String(old_status)}>${String(new_status)}`;
  });
}

describe('an order webhook', () => {
  it('is told in the form of the specification, and what it says is signed', async () => {
    const made = await make(test, key, HOOKS, SPEC_BODY);
    expect(made).toMatchObject({ ...SPEC_BODY, status: 'active', disabled: null });
    expect(made.id).toMatch(/^order_webhook_/);
    await say(test, key, ['e1', 'order.created', 0, { data: { order_number: 'ORD-1' } }]);
    await postedTo(test, URL_1, 1);
    await say(test, key, ['e2', 'order.status_changed', 1, { data: { new_status: 'confirmed' } }]);
    await postedTo(test, URL_1, 2);
    const [first, second] = test.http.posted;
    expect(JSON.parse(first?.body ?? '')).toEqual({
      event: 'order.created',
      payload: { order_id: 'o1', order_number: 'ORD-1', old_status: null, new_status: 'pending' },
      timestamp: at(0).replace('.000Z', '+00:00'),
    });
    expect(second?.body).toBe(
      '{"event":"order.status_changed","payload":{"order_id":"o1","order_number":"ORD-1","old_status":"pending",' +
        `"new_status":"confirmed"},"timestamp":"${at(1).replace('.000Z', '+00:00')}"}`,
    );
    expect(second?.headers['webhook-id']).toMatch(/^msg_/);
    expect(second?.headers['webhook-id']).not.toBe(first?.headers['webhook-id']);
    const shown = await jsonOf(await test.send(`${HOOKS}/${String(made.id)}`, { key }));
    expect(shown).not.toHaveProperty('secret');
    expect(JSON.stringify(await test.definitions.list())).not.toContain(SPEC_BODY.secret);
  });

  it("is verified by the specification's own lines of Python", async (context) => {
    const python = ['python3', 'python'].find((name) => {
      try {
        execFileSync(name, ['-c', 'import hmac'], { stdio: 'ignore' });
        return true;
      } catch {
        return false;
      }
    });
    if (python === undefined) return context.skip('There is no Python on this machine.');
    await make(test, key, HOOKS, SPEC_BODY);
    await say(test, key, ['e1', 'order.created', 0, { data: { order_number: 'Größe "1"' } }]);
    await postedTo(test, URL_1, 1);
    const [posted] = test.http.posted;
    const signature = posted?.headers['X-Webhook-Signature'] ?? '';
    const body = posted?.body ?? '';
    const verify = (sent: string): string =>
      execFileSync(python, ['-c', PYTHON, signature, SPEC_BODY.secret], {
        input: sent,
        stdio: 'pipe',
      }).toString();
    expect(verify(body)).toBe('verified');
    expect(() => verify(`${body} `)).toThrow('AssertionError');
  });

  it('is told of steps, once each, and of no change of status that comes late or again', async () => {
    await make(test, key, HOOKS, { ...SPEC_BODY, events: ['*'] });
    await say(test, key, ['e1', 'order.created', 0], ['e2', 'order.delivered', 9]);
    await say(
      test,
      key,
      ['e3', 'order.shipped', 5],
      ['e2', 'order.delivered', 9],
      ['e1', 'order.created', 0],
    );
    await say(test, key, ['e4', 'order.status_changed', 6, { status: 'packed' }]);
    await say(test, key, ['e5', 'payment.succeeded', 10, { status: 'captured', amount: 5 }]);
    await say(test, key, ['e6', 'order.status_changed', 11, { status: 'cancelled' }]);
    expect([...(await toldOf(7))].sort()).toEqual(
      [
        ...['order.created null>pending', 'order.status_changed pending>delivered'],
        ...['order.delivered pending>delivered', 'order.shipped delivered>delivered'],
        ...['payment.succeeded delivered>delivered', 'order.status_changed delivered>cancelled'],
        'order.cancelled delivered>cancelled',
      ].sort(),
    );
  });

  it('knows an order from weeks ago by what it was', async () => {
    await say(test, key, ['e1', 'order.created', -20 * DAY], ['e2', 'order.shipped', -9 * DAY]);
    test.clock.advance(60_000);
    await make(test, key, HOOKS, { ...SPEC_BODY, events: ['order.*'] });
    await say(
      test,
      key,
      ['e3', 'order.created', 0],
      ['e4', 'order.delivered', 1],
      ['e5', 'order.shipped', 0],
    );
    const told = await toldOf(3);
    expect([...told].sort()).toEqual([
      'order.delivered shipped>delivered',
      'order.status_changed shipped>delivered',
      'order.updated shipped>shipped',
    ]);
  });

  it('has the event under the name that it asked by; a replay tells nothing again', async () => {
    await make(test, key, HOOKS, { ...SPEC_BODY, events: ['order.fulfilled'] });
    await say(
      test,
      key,
      ['e1', 'order.created', 0],
      ['e2', 'order.status_changed', 1, { status: 'Shipped' }],
    );
    expect(await toldOf(1)).toEqual(['order.fulfilled pending>Shipped']);
    test = await test.restart();
    await test.apply();
    // The same events once more, as an import would send them.
    await say(
      test,
      key,
      ['e1', 'order.created', 0],
      ['e2', 'order.status_changed', 1, { status: 'Shipped' }],
    );
    await say(
      test,
      key,
      ['e9', 'order.created', 2, { order_id: 'o2' }],
      ['e10', 'order.shipped', 3, { order_id: 'o2' }],
    );
    expect(await toldOf(2)).toEqual(['order.fulfilled pending>Shipped', 'order.fulfilled pending>shipped']);
  });

  it('waits until the state has what it is told of', async () => {
    await make(test, key, HOOKS, SPEC_BODY);
    test.stateReady = false;
    await say(test, key, ['e1', 'order.created', 0]);
    const deliveries = await jsonOf(await test.send(`${HOOKS}`, { key }));
    expect([test.http.posted.length, (deliveries.data as unknown[]).length]).toEqual([0, 1]);
    test.stateReady = true;
    expect(await toldOf(1)).toEqual(['order.created null>pending']);
  });

  it('is told nothing by a correction, and of what follows by the corrected order', async () => {
    await make(test, key, HOOKS, { ...SPEC_BODY, events: ['order.*'] });
    await say(test, key, ['e1', 'order.created', 0], ['e2', 'order.delivered', 5]);
    await toldOf(3);
    await say(test, key, ['t1', 'event.retracted', 6, { retracts: ['e2'], order_id: undefined }]);
    await say(test, key, ['e3', 'order.shipped', 7]);
    const told = await toldOf(5);
    expect([...told.slice(3)].sort()).toEqual([
      'order.shipped pending>shipped',
      'order.status_changed pending>shipped',
    ]);
  });
});

describe('its log', () => {
  const deliveriesOf = async (id: unknown): Promise<readonly Json[]> =>
    (await jsonOf(await test.send(`${HOOKS}/${String(id)}/deliveries`, { key }))).deliveries as Json[];

  it('has status and duration of each delivery, which can be sent again and tested', async () => {
    const { id } = await make(test, key, HOOKS, SPEC_BODY);
    await say(test, key, ['e1', 'order.created', 0]);
    await postedTo(test, URL_1, 1);
    const [delivery] = await vi.waitFor(async () => {
      const all = await deliveriesOf(id);
      expect(all[0]).toMatchObject({ status: 'succeeded', response_status: 204, type: 'order.created' });
      expect(typeof all[0]?.duration_ms).toBe('number');
      return all;
    }, PATIENTLY);
    const again = await test.send(`${HOOKS}/${String(id)}/deliveries/${String(delivery?.id)}/redeliver`, {
      key,
      method: 'POST',
    });
    expect(again.status).toBe(202);
    await postedTo(test, URL_1, 2);
    const [one, two] = test.http.posted;
    expect([two?.body, two?.headers['webhook-id']]).toEqual([one?.body, one?.headers['webhook-id']]);
    const tested = await test.send(`${HOOKS}/${String(id)}/test`, { key, method: 'POST' });
    expect(await jsonOf(tested)).toMatchObject({ status: 'succeeded', type: 'webhook.test' });
    expect(JSON.parse(test.http.posted[2]?.body ?? '')).toMatchObject({ event: 'webhook.test' });
  });

  it('ends where it answers 410: it is disabled until somebody enables it', async () => {
    const { id } = await make(test, key, HOOKS, SPEC_BODY);
    test.http.status = 410;
    await say(test, key, ['e1', 'order.created', 0]);
    const shown = (): Promise<Json> => test.send(`${HOOKS}/${String(id)}`, { key }).then(jsonOf);
    await vi.waitFor(async () => {
      expect(await shown()).toMatchObject({
        status: 'disabled',
        disabled: { reason: 'gone' },
        is_active: true,
      });
    }, PATIENTLY);
    test.http.status = 204;
    const patched = await test.send(`${HOOKS}/${String(id)}`, {
      key,
      method: 'PATCH',
      json: { is_active: true },
    });
    expect(await jsonOf(patched)).toMatchObject({ status: 'active', disabled: null });
    await say(test, key, ['e2', 'order.delivered', 1]);
    await vi.waitFor(() => expect(test.http.posted.length).toBe(3), PATIENTLY);
  });
});

describe('what is refused', () => {
  it('is an unknown event, a private URL, an unknown member, another role and another tenant', async () => {
    const { id } = await make(test, key, HOOKS, SPEC_BODY);
    const post = async (body: Json, by = key): Promise<[number, Json]> => {
      const answer = await test.send(HOOKS, { key: by, json: body });
      return [answer.status, await jsonOf(answer)];
    };
    expect(await post({ ...SPEC_BODY, events: ['visit'] })).toMatchObject([
      422,
      { code: 'validation_failed' },
    ]);
    test.http.forbidden.add('intern.example.com');
    const [status, forbidden] = await post({ ...SPEC_BODY, url: 'https://intern.example.com/x' });
    expect([status, forbidden]).toMatchObject([
      422,
      { code: 'target_forbidden', errors: { url: [expect.any(String)] } },
    ]);
    expect(await post({ ...SPEC_BODY, active: true })).toMatchObject([422, { errors: expect.any(Object) }]);
    const viewer = await test.key('viewer');
    const analyst = await test.key('analyst');
    for (const by of [viewer, analyst]) expect((await post(SPEC_BODY, by))[0]).toBe(403);
    expect((await test.send(HOOKS, { key: viewer })).status).toBe(403);
    expect((await test.send(HOOKS, {})).status).toBe(401);
    const other = await test.key('admin', { tenant: 'other' });
    expect((await test.send(`${HOOKS}/${String(id)}`, { key: other })).status).toBe(404);
    const patch = { key, method: 'PATCH', json: { secrets: 'x' } };
    expect((await test.send(`${HOOKS}/${String(id)}`, patch)).status).toBe(422);
    // Nor is it told of another tenant's orders, and nothing once it is gone.
    await say(test, other, ['e1', 'order.created', 0]);
    expect((await test.send(`${HOOKS}/${String(id)}`, { key, method: 'DELETE' })).status).toBe(204);
    await say(test, key, ['e1', 'order.created', 0]);
    const kept = await make(test, key, HOOKS, { ...SPEC_BODY, url: `${URL_1}/2` });
    expect(kept.status).toBe('active');
    await say(test, key, ['e2', 'order.created', 0, { order_id: 'o2' }]);
    expect(await toldOf(1, `${URL_1}/2`)).toContain('order.created null>pending');
    expect(test.http.posted.filter(({ url }) => url === URL_1)).toEqual([]);
  });
});

/** As the specification has it, but for where request and secret come from. */
const PYTHON = `
import sys
from types import SimpleNamespace
request = SimpleNamespace(headers={'X-Webhook-Signature': sys.argv[1]}, body=sys.stdin.buffer.read())
secret = sys.argv[2]
import hmac, hashlib

signature = request.headers['X-Webhook-Signature']
expected = hmac.new(secret.encode(), request.body, hashlib.sha256).hexdigest()
assert hmac.compare_digest(signature, expected)
sys.stdout.write('verified')
`;
