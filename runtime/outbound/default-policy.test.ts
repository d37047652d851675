import { pino } from 'pino';
import { afterEach, expect, it, vi } from 'vitest';
import { HttpSender, MemoryKeyValueStore } from '../../connectors/index.ts';
import { ManualClock, MemoryMessageQueue } from '../../engine/index.ts';
import { HttpReceiver } from '../../test/http-receiver.ts';
import { Definitions } from '../definitions/index.ts';
import { readSettings } from '../settings/index.ts';
import { ORDER_WEBHOOKS, WEBHOOKS } from '../webhooks/index.ts';
import { Outbound } from './outbound.ts';

/** Tries and disabling by the default policy: real posts, and a clock that is moved by hand. */

const PATIENTLY = { timeout: 60_000, interval: 5 };
const START_MS = Date.UTC(2026, 2, 5, 10, 30);
const log = pino({ level: 'silent' });

/** What is to be done at a time of the clock. */
class Timers {
  readonly clock = new ManualClock(START_MS);
  readonly #due: { readonly at_ms: number; readonly run: () => void }[] = [];

  readonly later = (after_ms: number, run: () => void): void => {
    this.#due.push({ at_ms: this.clock.now() + after_ms, run });
  };

  get waiting(): number {
    return this.#due.length;
  }

  advance(by_ms: number): void {
    this.clock.advance(by_ms);
    const now_ms = this.clock.now();
    const due = this.#due.filter(({ at_ms }) => at_ms <= now_ms);
    this.#due.splice(0, this.#due.length, ...this.#due.filter(({ at_ms }) => at_ms > now_ms));
    for (const { run } of due) run();
  }
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start() {
  const receiver = await HttpReceiver.start();
  const timers = new Timers();
  const { clock } = timers;
  const definitions = new Definitions({ store: new MemoryKeyValueStore(), clock, log });
  const [webhooks, orderWebhooks] = [definitions.kind(WEBHOOKS), definitions.kind(ORDER_WEBHOOKS)];
  await definitions.open();
  const { retry, timeout_ms, pagerDutyUrl } = readSettings({}).outbound;
  const queue = (): MemoryMessageQueue => new MemoryMessageQueue(clock, timers.later);
  const ports = {
    ...{ notices: queue(), deliveries: queue(), sources: {}, retry, timeout_ms, pagerDutyUrl },
    http: new HttpSender({ allowPrivate: true, timeout_ms }),
  };
  const secret = Buffer.alloc(32, 7);
  const outbound = new Outbound({ ports, webhooks, orderWebhooks, secret, clock, log });
  outbound.start();
  const made = await orderWebhooks.create('shop', {
    name: 'hook',
    created_by: 'test',
    body: {
      ...{ url: `${receiver.url}/hook`, events: ['order.*'], active: true },
      sealed_secret: outbound.orderWebhooks.sealed('shop', 'whsec_x'),
    },
  });
  closing.push(async () => {
    await outbound.close();
    await definitions.close();
    await receiver.stop();
  });
  const tell = (order: number): Promise<void> =>
    outbound.tell(
      { tenant: 'shop', type: 'order.created', id: `e${order}`, time_ms: clock.now(), payload: { order } },
      [{ type: 'webhook', webhook_id: made.id }],
    );
  const logged = async (status: string): Promise<number> =>
    (await outbound.deliveries.log.entries('shop', made.id)).filter((entry) => entry.status === status)
      .length;
  const bodyOf = () => orderWebhooks.get('shop', made.id)?.body;
  return { receiver, timers, tell, logged, bodyOf, outbound, made, orderWebhooks };
}

it('a delivery is tried three times more, 60 s apart, under one id', async () => {
  const { receiver, timers, tell, logged } = await start();
  receiver.reply = () => 500;
  await tell(1);
  for (let tries = 1; tries <= 3; tries++) {
    await vi.waitFor(() => expect([receiver.received.length, timers.waiting]).toEqual([tries, 1]), PATIENTLY);
    timers.advance(59_999);
    expect(timers.waiting).toBe(1);
    timers.advance(1);
  }
  await vi.waitFor(
    async () => expect([await logged('retrying'), await logged('failed')]).toEqual([3, 1]),
    PATIENTLY,
  );
  timers.advance(86_400_000);
  expect([receiver.received.length, timers.waiting]).toEqual([4, 0]);
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
});

it('ten deliveries in a row that failed disable it, a success between begins to count anew', async () => {
  const { receiver, timers, tell, logged, bodyOf, outbound, made, orderWebhooks } = await start();
  /** Has a delivery fail for good; how often any has. */
  const fail = async (order: number, count: number): Promise<void> => {
    const before = receiver.received.length;
    await tell(order);
    for (let tries = 1; tries <= 3; tries++) {
      await vi.waitFor(
        () => expect([receiver.received.length, timers.waiting]).toEqual([before + tries, 1]),
        PATIENTLY,
      );
      timers.advance(60_000);
    }
    await vi.waitFor(async () => expect(await logged('failed')).toBe(count), PATIENTLY);
  };
  receiver.reply = () => 503;
  for (let order = 1; order <= 9; order++) await fail(order, order);
  receiver.reply = () => 204;
  await tell(100);
  await vi.waitFor(async () => expect(await logged('succeeded')).toBe(1), PATIENTLY);
  receiver.reply = () => 503;
  for (let order = 11; order <= 20; order++) {
    expect(bodyOf()?.disabled).toBeNull();
    await fail(order, order - 1);
  }
  await vi.waitFor(() => expect(bodyOf()?.disabled).toMatchObject({ reason: 'failing' }), PATIENTLY);
  // What comes meanwhile waits, and is sent when somebody enables it.
  receiver.reply = () => 204;
  const before = receiver.received.length;
  await tell(21);
  await orderWebhooks.patch('shop', made.id, { ...outbound.orderWebhooks.enabling() });
  await vi.waitFor(() => expect(receiver.received.length).toBe(before + 1), PATIENTLY);
  expect(bodyOf()).toMatchObject({ active: true, disabled: null });
});

it('410 disables it at once', async () => {
  const { receiver, tell, bodyOf, timers } = await start();
  receiver.reply = () => 410;
  await tell(1);
  await vi.waitFor(
    () => expect(bodyOf()?.disabled).toMatchObject({ reason: 'gone', at_ms: START_MS }),
    PATIENTLY,
  );
  expect([receiver.received.length, timers.waiting]).toEqual([1, 0]);
});
