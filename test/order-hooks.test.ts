import { afterAll, beforeAll, expect, it } from 'vitest';
import { ContractService } from './contract-service.ts';
import { HttpReceiver } from './http-receiver.ts';
import { ADMIN_KEY, until } from './process.ts';
import { Scratch } from './scratch.ts';
import { SmtpReceiver } from './smtp-receiver.ts';

const TENANT = 'default';
const PATIENTLY_MS = 120_000;
const NOW_MS = Math.floor(Date.now() / 1_000) * 1_000;

const scratch = new Scratch();
let receiver: HttpReceiver;
let smtp: SmtpReceiver;
beforeAll(async () => {
  receiver = await HttpReceiver.start();
  smtp = await SmtpReceiver.start();
});
afterAll(async () => {
  await scratch.clean();
  await receiver?.stop();
  await smtp?.stop();
});

type Json = Record<string, unknown>;

/** The life of an order, its customer as hostile as customers get. */
function life(order: number): Json[] {
  const event = (step: number, type: string, data: Json = {}): Json => ({
    ...{ event_id: `${order}-${step}`, type, order_id: `o${order}`, data },
    time: new Date(NOW_MS - 60_000 + step * 1_000).toISOString(),
  });
  const customer = {
    customer_name: '<script>x</script>\r\nBcc: all@example.com',
    customer_phone: '+447700900123',
    customer_email: 'ann@example.com',
    order_number: `ORD-${order}`,
  };
  return [
    event(0, 'order.created', customer),
    event(1, 'order.status_changed', { new_status: 'confirmed' }),
    event(2, 'order.shipped'),
  ];
}

/** What a webhook that asked for steps is told of an order. */
const toldOf = (order: number): string[] =>
  [
    ['order.created', null, 'pending'],
    ['order.status_changed', 'pending', 'confirmed'],
    ['order.status_changed', 'confirmed', 'shipped'],
    ['order.fulfilled', 'confirmed', 'shipped'],
  ].map(([event, from, to]) => `${event} ORD-${order} ${from}>${to}`);

/** Posts to a path; a definition that is there already is left. */
async function post(service: ContractService, path: string, json: Json): Promise<Json> {
  const { url } = await service.instance.listening;
  const answer = await fetch(`${url}/api/v1${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(json),
  });
  const made = (await answer.json()) as Json;
  expect(answer.status, JSON.stringify(made)).toBe(201);
  return made;
}

it('steps of orders reach a webhook under one id each, and people in words, across a kill -9', async () => {
  const dataDir = await scratch.dir('order-hooks');
  const env = {
    ...{ WEBHOOK_ALLOW_PRIVATE: '1', WEBHOOK_RETRY_DELAY: '100ms', WEBHOOK_RETRIES: '10' },
    ...{ SMS_PROVIDER_URL: `${receiver.url}/sms`, SMS_PROVIDER_USER: 'AC1', SMS_PROVIDER_PASSWORD: 'p' },
    ...{ SMS_FROM: '+15550001111', SMTP_URL: smtp.urlOf(), MAIL_FROM: 'Shop <shop@example.com>' },
  };
  // Some are refused at first, one in three: the kill meets deliveries in all their states.
  let asked = 0;
  receiver.reply = ({ path }) => (path === '/hook' && asked++ % 3 === 0 ? 503 : 204);
  let service = await ContractService.start(scratch, { dataDir, env });
  await post(service, '/order-webhooks', {
    url: `${receiver.url}/hook`,
    events: ['order.created', 'order.status_changed', 'order.fulfilled'],
  });
  const rule = { event: 'order.shipped', template: 'Hi {{customer_name}}, #{{order_number}} is {{status}}.' };
  for (const channel of ['sms', 'whatsapp'])
    await post(service, '/order-notification-rules', { ...rule, name: channel, channel });
  await post(service, '/order-notification-rules', {
    ...{ ...rule, name: 'mail', channel: 'email', subject: 'Order {{order_number}} of {{customer_name}}' },
    conditions: { field: 'order_id', eq: 'o7' },
  });
  const hooked = () => receiver.received.filter(({ path }) => path === '/hook');
  const orders = Array.from({ length: 10 }, (_, order) => order);
  await service.stream(TENANT, orders.slice(0, 7).flatMap(life));
  await until(
    () => (hooked().length >= 5 ? true : undefined),
    () => `the webhook is told: ${service.instance.output}`,
    PATIENTLY_MS,
  );
  const killed = service.instance.kill();
  await service.link.close();
  await killed;
  service = await ContractService.start(scratch, { dataDir, env });
  // The first ones again, as a producer does that does not know.
  await service.stream(TENANT, orders.slice(4).flatMap(life));
  const told = (): Map<string, string> =>
    new Map(
      hooked().map(({ headers, body }) => {
        const { event, payload } = JSON.parse(body) as { event: string; payload: Json };
        const { order_number, old_status, new_status } = payload;
        return [String(headers['webhook-id']), `${event} ${order_number} ${old_status}>${new_status}`];
      }),
    );
  const expected = orders.flatMap(toldOf).sort();
  await until(
    () => (told().size >= expected.length ? true : undefined),
    () => `the webhook is told ${told().size} of ${expected.length}: ${service.instance.output}`,
    PATIENTLY_MS,
  );
  const messages = (): readonly URLSearchParams[] =>
    receiver.received.filter(({ path }) => path === '/sms').map(({ body }) => new URLSearchParams(body));
  const bodies = (to: string): Set<string | null> =>
    new Set(messages().flatMap((one) => (one.get('To') === to ? [one.get('Body')] : [])));
  const [sms, whatsapp] = ['+447700900123', 'whatsapp:+447700900123'];
  await until(
    () => (bodies(sms).size >= 10 && bodies(whatsapp).size >= 10 && smtp.mails.length > 0 ? true : undefined),
    () => `people are told: ${messages().length}, ${smtp.mails.length} ${service.instance.output}`,
    PATIENTLY_MS,
  );
  // What one more order tells comes behind all of that.
  await service.stream(TENANT, life(99));
  const last = toldOf(99);
  await until(
    () => (told().size >= expected.length + last.length ? true : undefined),
    () => `the last order is told: ${service.instance.output}`,
    PATIENTLY_MS,
  );
  expect([...told().values()].sort()).toEqual([...expected, ...last].sort());
  const words = orders.map(
    (order) => `Hi <script>x</script> Bcc: all@example.com, #ORD-${order} is shipped.`,
  );
  expect([...bodies(sms)].filter((one) => !one?.includes('ORD-99')).sort()).toEqual(words);
  expect([...bodies(whatsapp)].filter((one) => !one?.includes('ORD-99')).sort()).toEqual(words);
  expect(new Set(messages().map((one) => one.get('From')))).toEqual(
    new Set(['+15550001111', 'whatsapp:+15550001111']),
  );
  for (const mail of smtp.mails) {
    expect(mail.to).toEqual(['ann@example.com']);
    const [head = ''] = mail.text.split('\r\n\r\n');
    expect(head).not.toMatch(/^Bcc:/im);
    expect(head.replaceAll(/\r\n\s+/g, ' ')).toContain(
      'Subject: Order ORD-7 of <script>x</script> Bcc: all@example.com',
    );
    expect(mail.text).toContain('&lt;script&gt;x&lt;/script&gt;');
  }
  expect(new Set(smtp.mails.map(({ text }) => /Message-ID: (\S+)/i.exec(text)?.[1])).size).toBe(1);
  await service.stop();
}, 400_000);
