import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, type EventMessage, EventPublisher } from '../../connectors/index.ts';
import type { SeededRandom } from '../../engine/index.ts';
import { AMOUNT, type Ledger, type SentOrder } from './ledger.ts';

const EVERY_MS = 100;
const ORDERS_A_TIME = 5;
/** Share of orders that are sent once more under the same id. */
const REPEATED = 0.1;

export function messageOf({ tenant, id, time_ms }: SentOrder): EventMessage {
  const event = {
    event_id: id,
    type: 'order.created',
    time: new Date(time_ms).toISOString(),
    order_id: id,
    customer_id: `c-${id}`,
    currency: 'EUR',
    amount: AMOUNT,
  };
  return { subject: `events.${tenant}.${id}`, payload: Buffer.from(JSON.stringify(event)) };
}

/** Sends orders of every tenant all the time, each until the stream has acknowledged it. */
export class ChaosPublisher {
  readonly #ledger: Ledger;
  readonly #random: SeededRandom;
  readonly #url: string;
  readonly #running: Promise<void>;
  #isPaused = false;
  #isIdle = false;
  #isClosed = false;

  constructor(ledger: Ledger, random: SeededRandom, url: string) {
    this.#ledger = ledger;
    this.#random = random;
    this.#url = url;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      this.#isIdle = this.#isPaused;
      if (this.#isPaused) await sleep(20);
      else await this.send(this.#next());
      await sleep(EVERY_MS);
    }
  }

  #next(): SentOrder[] {
    const { tenants } = this.#ledger;
    return tenants.flatMap((tenant) =>
      Array.from({ length: ORDERS_A_TIME }, () => this.#ledger.sent(tenant, Date.now())),
    );
  }

  /** Resolves when the stream has acknowledged all of them. */
  async send(orders: readonly SentOrder[]): Promise<void> {
    const repeated = orders.filter(() => this.#random.chance(REPEATED));
    const messages = [...orders, ...repeated].map(messageOf);
    for (;;) {
      const link = await connectNats({
        url: this.#url,
        name: 'chaos-publisher',
        connect_timeout_ms: 500,
      }).catch(() => undefined);
      if (link === undefined) {
        await sleep(50);
        continue;
      }
      try {
        const publisher = new EventPublisher(link, { attempt_timeout_ms: 500, total_timeout_ms: 1_000 });
        await publisher.publishAll(messages);
        const now_ms = Date.now();
        for (const order of orders) order.acknowledged_ms ??= now_ms;
        return;
      } catch {
        // Not confirmed is not "not stored": all are sent again, under the same ids.
      } finally {
        await link.close();
      }
    }
  }

  /** Resolves when everything that was sent is acknowledged; nothing more is sent until `resume`. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    while (!this.#isIdle) await sleep(20);
  }

  resume(): void {
    this.#isPaused = false;
    this.#isIdle = false;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }
}
