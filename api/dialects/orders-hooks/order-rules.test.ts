import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';
import { at, type Json, jsonOf, MINUTE_MS, make, postedTo, say } from './fixture-hooks.ts';

let test: TestApi;
let key: string;

const RULES = '/api/v1/order-notification-rules';
const INBOX = '/api/v1/order-notifications';
const SMS_URL = 'https://sms.example.com/Messages.json';
const SMS = {
  ...{ SMS_PROVIDER_URL: SMS_URL, SMS_PROVIDER_USER: 'AC1', SMS_PROVIDER_PASSWORD: 'p' },
  SMS_FROM: '+15550001111',
};
/** As the specification has it. */
const SPEC_RULE = {
  name: 'Order Shipped SMS',
  event: 'order.fulfilled',
  channel: 'sms',
  recipient_type: 'customer',
  template: 'Hi {{customer_name}}, your order #{{order_number}} has been shipped! Track: {{tracking_url}}',
  conditions: {},
  is_active: true,
};
const IN_APP = {
  ...SPEC_RULE,
  name: 'In app',
  channel: 'in_app',
  template: '{{customer_name}} {{order_number}} {{status}}',
};
const CUSTOMER = { data: { customer_name: 'Ann', customer_phone: '+44 7700 900123', order_number: 'ORD-1' } };

beforeEach(async () => {
  test = await startTestApi(SMS);
  key = await test.key('admin');
});
afterEach(() => test.close());

async function inbox(by = key, query = ''): Promise<readonly Json[]> {
  const answer = await test.send(`${INBOX}${query}`, { key: by });
  expect(answer.status).toBe(200);
  return (await jsonOf(answer)).data as Json[];
}

const inboxOf = (count: number): Promise<readonly Json[]> =>
  vi.waitFor(async () => {
    const all = await inbox();
    expect(all.length).toBe(count);
    return all;
  }, PATIENTLY);

describe('a rule', () => {
  it('tells the customer once, with what the events of the order say, as text', async () => {
    await make(test, key, RULES, SPEC_RULE);
    await make(test, key, RULES, {
      ...SPEC_RULE,
      name: 'WhatsApp',
      channel: 'whatsapp',
      template: '{{total}} {{status}}',
    });
    const hostile = { customer_name: 'Ann {{total}}\r\nTo: +1', customer_phone: '+44 (7700) 900-123' };
    await say(test, key, [
      ...(['e1', 'order.created', 0] as const),
      {
        amount: 5_000,
        discount: 10,
        shipping: 400,
        currency: 'EUR',
        data: { ...hostile, order_number: 'ORD-1' },
      },
    ]);
    const shipped = [
      'e2',
      'order.shipped',
      1,
      { data: { tracking_url: 'https://t.example.com/1' } },
    ] as const;
    await say(test, key, shipped, shipped);
    const sent = await postedTo(test, SMS_URL, 2);
    expect([...sent].sort((a, b) => String(a.To).length - String(b.To).length)).toEqual([
      {
        ...{ To: '+447700900123', From: SMS.SMS_FROM },
        Body: 'Hi Ann {{total}} To: +1, your order #ORD-1 has been shipped! Track: https://t.example.com/1',
      },
      { To: 'whatsapp:+447700900123', From: `whatsapp:${SMS.SMS_FROM}`, Body: '53.90 EUR shipped' },
    ]);
  });

  it('tells in the application, under its conditions, and nothing that is late, old or was before it', async () => {
    await say(test, key, ['e0', 'order.created', 0], ['e00', 'order.delivered', 1]);
    test.clock.advance(60_000);
    const rule = await make(test, key, RULES, {
      ...{ ...IN_APP, event: 'order.status_changed' },
      conditions: {
        or: [
          { field: 'channel', eq: 'web' },
          { field: 'data.vip', eq: true },
        ],
      },
    });
    await make(test, key, RULES, { ...IN_APP, name: 'idle', event: 'order.created', is_active: false });
    await make(test, key, RULES, { ...IN_APP, name: 'late', event: 'order.shipped' });
    await say(test, key, ['e1', 'order.status_changed', 2, { status: 'packed', channel: 'app' }]);
    await say(test, key, [
      'e2',
      'order.status_changed',
      3,
      { status: 'sealed', channel: 'web', ...CUSTOMER },
    ]);
    // After the status that follows from it, and a week ago.
    await say(test, key, ['e3', 'order.shipped', 1]);
    await say(test, key, ['e4', 'order.shipped', -10_080, { order_id: 'o7' }]);
    await say(test, key, ['e5', 'order.status_changed', 5, { status: 'gone', data: { vip: true } }]);
    const [newest, other] = await inboxOf(2);
    expect([newest, other]).toMatchObject([
      {
        text: 'Ann ORD-1 gone',
        event: 'order.status_changed',
        order_id: 'o1',
        rule_id: rule.id,
        test: false,
      },
      { text: 'Ann ORD-1 sealed' },
    ]);
    expect(await inbox(key, '?rule_id=another')).toEqual([]);
    const page = await jsonOf(await test.send(`${INBOX}?limit=1`, { key }));
    expect((await inbox(key, `?limit=1&cursor=${String(page.next_cursor)}`))[0]).toMatchObject(other as Json);
  });

  it('says in its log whom it could not tell', async () => {
    const rule = await make(test, key, RULES, SPEC_RULE);
    await say(test, key, ['e1', 'order.created', 0, { data: { customer_phone: '+1, +2' } }]);
    await say(test, key, ['e2', 'order.shipped', 1]);
    await vi.waitFor(async () => {
      const log = await jsonOf(await test.send(`${RULES}/${String(rule.id)}/deliveries`, { key }));
      expect(log.deliveries).toMatchObject([
        { status: 'failed', attempts: [{ error: { code: 'no_recipient' } }] },
      ]);
    }, PATIENTLY);
    expect(test.http.posted).toEqual([]);
  });

  it('is tried with samples, by whoever may, to somebody', async () => {
    const rule = await make(test, key, RULES, { ...SPEC_RULE, is_active: false });
    const path = `/api/v1/order-notification-rules/${String(rule.id)}/test`;
    const lacking = await test.send(path, { key, method: 'POST' });
    expect([lacking.status, await jsonOf(lacking)]).toMatchObject([
      422,
      { errors: { to: [expect.any(String)] } },
    ]);
    const values = { customer_name: '<b>&' };
    const tried = await jsonOf(await test.send(path, { key, json: { to: '+447700900999', values } }));
    expect(tried).toMatchObject({
      subject: null,
      deliveries: [{ status: 'succeeded', response_status: 204 }],
    });
    expect(tried.text).toBe(
      'Hi <b>&, your order #ORD-20260305-A1B2 has been shipped! Track: https://track.example.com/A1B2',
    );
    expect(await postedTo(test, SMS_URL, 1)).toMatchObject([{ To: '+447700900999', Body: tried.text }]);
    const own = await make(test, key, RULES, IN_APP);
    expect((await test.send(`${RULES}/${String(own.id)}/test`, { key, method: 'POST' })).status).toBe(200);
    expect(await inbox()).toMatchObject([{ test: true, text: 'Alex Example ORD-20260305-A1B2 shipped' }]);
    expect((await test.send(path, { key: await test.key('viewer'), method: 'POST' })).status).toBe(403);
  });
});

describe('what is told in the application', () => {
  it('is for those who may read events, of the tenant, without what is masked for them', async () => {
    await make(test, key, RULES, IN_APP);
    await say(test, key, ['e1', 'order.created', 0, CUSTOMER], ['e2', 'order.shipped', 1]);
    await inboxOf(1);
    const settings = { key, method: 'PATCH', json: { pii_fields: ['customer_name', 'order_id'] } };
    expect((await test.send('/settings', settings)).status).toBe(200);
    const viewer = await test.key('viewer');
    expect(await inbox(viewer)).toMatchObject([{ order_id: '***', text: '*** ORD-1 shipped' }]);
    expect(await inbox()).toMatchObject([{ order_id: 'o1', text: 'Ann ORD-1 shipped' }]);
    expect(await inbox(await test.key('admin', { tenant: 'other' }))).toEqual([]);
    expect((await test.send(INBOX, { key: await test.key('ingest') })).status).toBe(403);
  });

  it('masks what several members make where one of them is masked', async () => {
    await make(test, key, RULES, { ...IN_APP, template: '{{customer_name}} owes {{total}}' });
    const names = { customer_first_name: 'Ann', customer_last_name: 'Secret' };
    const money = { amount: 5_000, shipping: 400, currency: 'EUR' };
    await say(test, key, ['e1', 'order.created', 0, { ...money, data: names }], ['e2', 'order.shipped', 1]);
    await inboxOf(1);
    const settings = { key, method: 'PATCH', json: { pii_fields: ['customer_last_name', 'shipping'] } };
    expect((await test.send('/settings', settings)).status).toBe(200);
    expect(await inbox(await test.key('viewer'))).toMatchObject([{ text: '*** owes ***' }]);
    expect(await inbox()).toMatchObject([{ text: 'Ann Secret owes 54.00 EUR' }]);
  });
});

describe('a rule that is activated', () => {
  const DAY_MS = 86_400_000;

  it('tells nothing of before, nor of what it reads more than a day late', async () => {
    const template = '{{order_number}}';
    const rule = await make(test, key, RULES, { ...IN_APP, template, is_active: false });
    await say(test, key, ['e1', 'order.shipped', 0, { order_id: 'before' }]);
    test.clock.advance(1_000);
    const activated = { key, method: 'PATCH', json: { is_active: true } };
    expect((await test.send(`${RULES}/${String(rule.id)}`, activated)).status).toBe(200);
    const late = { event_id: 'e2', type: 'order.shipped', time: at(1), order_id: 'late' };
    // In the stream, and not in the state yet.
    expect((await test.send('/ingest', { key, json: [late] })).status).toBeLessThan(300);
    test.clock.advance(2 * DAY_MS);
    const minute = (2 * DAY_MS) / MINUTE_MS;
    await say(test, key, ['e3', 'order.shipped', minute, { order_id: 'new' }]);
    await inboxOf(1);
    await say(test, key, ['e4', 'order.shipped', minute, { order_id: 'newest' }]);
    expect(await inboxOf(2)).toMatchObject([{ text: 'newest' }, { text: 'new' }]);
  });
});

describe('what is refused', () => {
  it('is what cannot be told, with the member that is wrong', async () => {
    const refused: readonly (readonly [string, Json, string, string])[] = [
      ['an unknown placeholder', { template: 'Hi {{first_name}}' }, 'validation_failed', 'template'],
      ['one in the subject', { subject: '{{x}}' }, 'validation_failed', 'subject'],
      ['an unknown channel', { channel: 'fax' }, 'validation_failed', 'channel'],
      ['a channel without settings', { channel: 'email' }, 'channel_not_configured', 'channel'],
      ['an event that is none of orders', { event: 'visit' }, 'validation_failed', 'event'],
      [
        'a condition that is none',
        { conditions: { field: 'x', like: 1 } },
        'validation_failed',
        'conditions',
      ],
      ['staff without a number', { recipient_type: 'staff' }, 'validation_failed', 'recipients'],
      [
        'a number that is none',
        { recipient_type: 'staff', recipients: ['+1\n'] },
        'validation_failed',
        'recipients.0',
      ],
      ['recipients of customers', { recipients: ['+447700900123'] }, 'validation_failed', 'recipients'],
      ['a text too long for SMS', { template: 'x'.repeat(1_601) }, 'validation_failed', 'template'],
      ['a name of two lines', { name: 'a\r\nBcc: x' }, 'validation_failed', 'name'],
    ];
    for (const [what, members, code, path] of refused) {
      const answer = await test.send(RULES, { key, json: { ...SPEC_RULE, ...members } });
      const problem = { code, errors: { [path]: [expect.any(String)] } };
      expect([answer.status, await jsonOf(answer)], what).toMatchObject([422, problem]);
    }
  });

  it('is another role, a patch to something unfit, and a second rule of a name', async () => {
    const made = await make(test, key, RULES, SPEC_RULE);
    const path = `${RULES}/${String(made.id)}`;
    for (const role of ['viewer', 'analyst']) {
      const by = await test.key(role);
      expect((await test.send(RULES, { key: by })).status).toBe(403);
      expect((await test.send(RULES, { key: by, json: SPEC_RULE })).status).toBe(403);
    }
    const patch = (json: Json): Promise<Response> => test.send(path, { key, method: 'PATCH', json });
    expect((await patch({ template: '{{nothing}}' })).status).toBe(422);
    expect(await jsonOf(await patch({ is_active: false }))).toMatchObject({ is_active: false, id: made.id });
    expect((await test.send(RULES, { key, json: SPEC_RULE })).status).toBe(409);
    const other = await test.key('admin', { tenant: 'other' });
    expect((await test.send(path, { key: other })).status).toBe(404);
    expect(((await jsonOf(await test.send(RULES, { key }))).data as Json[]).length).toBe(1);
    expect((await test.send(path, { key, method: 'DELETE' })).status).toBe(204);
  });
});
