import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest';
import {
  ANOMALIES_STREAM,
  connectNats,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  ensureStream,
  ensureStreams,
  HttpSender,
  type NatsLink,
  NOTICES_STREAM,
  openKeyValueStore,
  openManager,
  openMessageQueue,
} from '../../connectors/index.ts';
import { systemClock } from '../../engine/index.ts';
import { HttpReceiver } from '../../test/http-receiver.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import { type Definition, Definitions, type KindDefinitions } from '../definitions/index.ts';
import type { LogEntry } from '../delivery/index.ts';
import { ORDER_WEBHOOKS, WEBHOOKS, type WebhookBody } from '../webhooks/index.ts';
import { Outbound, type OutboundPorts } from './outbound.ts';

/** A server, a receiver and processes that tell it things. For tests. */

export const SECRET = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD';
export const PATIENTLY = { timeout: 60_000, interval: 10 };
const log = pino({ level: 'silent' });

/** What one process of the service has of it, on a connection of its own. */
export interface Process {
  readonly outbound: Outbound;
  readonly webhooks: KindDefinitions<WebhookBody>;
  make(more?: Readonly<Record<string, unknown>>): Promise<Definition<WebhookBody>>;
  close(): Promise<void>;
}

/** One for each test file; made before its tests. */
export class Scene {
  /** Of the test that runs. */
  tenant = '';
  #nats: TestNats | undefined;
  #link: NatsLink | undefined;
  #receiver: HttpReceiver | undefined;
  readonly #running = new Set<Process>();
  #tenants = 0;

  constructor() {
    beforeAll(() => this.#open());
    afterAll(async () => {
      await this.#link?.close();
      await this.#nats?.stop();
    });
    beforeEach(async () => {
      this.#receiver = await HttpReceiver.start();
      this.tenant = `t${++this.#tenants}`;
    });
    afterEach(async () => {
      for (const process of this.#running) await process.close();
      await this.#receiver?.stop();
    });
  }

  get link(): NatsLink {
    return present(this.#link);
  }

  get receiver(): HttpReceiver {
    return present(this.#receiver);
  }

  async #open(): Promise<void> {
    this.#nats = await startTestNats();
    this.#link = await connectNats({ url: this.#nats.url, name: 'test' });
    await ensureStreams(this.#link);
    await ensureStream(await openManager(this.#link), ANOMALIES_STREAM);
    await openKeyValueStore(this.#link, 'millrace-jobs');
  }

  async start(more: Partial<OutboundPorts> = {}): Promise<Process> {
    const own = await connectNats({ url: present(this.#nats).url, name: 'process' });
    const store = await openKeyValueStore(own, 'defs');
    const definitions = new Definitions({ store, clock: systemClock, log });
    const webhooks = definitions.kind(WEBHOOKS);
    const orderWebhooks = definitions.kind(ORDER_WEBHOOKS);
    await definitions.open();
    const ports = { ...(await this.#ports(own)), ...more };
    const secret = Buffer.alloc(32, 7);
    const outbound = new Outbound({ ports, webhooks, orderWebhooks, secret, clock: systemClock, log });
    outbound.start();
    let made = 0;
    const process: Process = {
      outbound,
      webhooks,
      make: ({ secret: given = SECRET, ...body } = {}) =>
        webhooks.create(this.tenant, {
          name: `w${++made}`,
          created_by: 'test',
          body: {
            ...{ url: `${this.receiver.url}/hook`, events: ['anomaly.detected'] },
            sealed_secret: outbound.webhooks.sealed(this.tenant, String(given)),
            ...body,
          },
        }),
      close: async () => {
        this.#running.delete(process);
        await outbound.close();
        await definitions.close();
        await own.close();
      },
    };
    this.#running.add(process);
    return process;
  }

  async #ports(link: NatsLink): Promise<OutboundPorts> {
    return {
      notices: await openMessageQueue(link, NOTICES_STREAM),
      deliveries: await openMessageQueue(link, DELIVERIES_STREAM),
      sources: {
        anomalies: await openMessageQueue(link, ANOMALIES_STREAM.name),
        jobs: await openMessageQueue(link, 'KV_millrace-jobs'),
        events: await openMessageQueue(link, EVENTS_STREAM.name),
      },
      http: new HttpSender({ allowPrivate: true, timeout_ms: 1_000 }),
      pagerDutyUrl: `${this.receiver.url}/pager`,
      retry: { retries_max: 3, delay_ms: 20 },
      timeout_ms: 1_000,
    };
  }

  /** `webhook-id` of each request, in order. */
  ids(): readonly unknown[] {
    return this.receiver.received.map(({ headers }) => headers['webhook-id']);
  }

  entriesOf({ outbound }: Process, { id }: Definition<unknown>): Promise<readonly LogEntry[]> {
    return outbound.deliveries.log.entries(this.tenant, id);
  }

  /** Waits until the log of a webhook has just these entries, by their status. */
  logged(process: Process, webhook: Definition<unknown>, statuses: readonly string[]): Promise<void> {
    return vi.waitFor(async () => {
      const entries = await this.entriesOf(process, webhook);
      expect(entries.map(({ status }) => status)).toEqual(statuses);
    }, PATIENTLY);
  }
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not opened yet');
  return value;
}
