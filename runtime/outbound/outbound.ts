import type { Logger } from 'pino';
import type { ChannelMessage, HttpSender, Mailer, S3Store, SmsProvider } from '../../connectors/index.ts';
import { type Clock, type MessageQueue, type MetricSample, Metrics } from '../../engine/index.ts';
import type { KindDefinitions } from '../definitions/index.ts';
import {
  ALL_DIRECT,
  Deliveries,
  type DeliveryView,
  directEndpoint,
  endpointOf,
  hashOf,
  messageIdOf,
  type Notice,
  type RetryPolicy,
} from '../delivery/index.ts';
import type { SigningSecret } from '../trust/index.ts';
import { ORDER_FORM, type WebhookBody, Webhooks } from '../webhooks/index.ts';
import { ChannelSecrets } from './channel-secrets.ts';
import {
  type Channel,
  ChannelError,
  type ChannelSettings,
  type PeopleChannel,
  requireConfigured,
  targetOf,
} from './channels.ts';
import { channelTypeOf, endpointName, PeopleEndpoint, type PeopleExtra } from './people-endpoint.ts';
import { type NoticeSources, Relays } from './relays.ts';

/** How often it is looked for channels that other processes told something, ms. */
const LOOK_MS = 30_000;

/** What the outside is told with and about. */
export interface OutboundPorts {
  readonly notices: MessageQueue;
  readonly deliveries: MessageQueue;
  readonly sources: NoticeSources;
  readonly http: Pick<HttpSender, 'post' | 'check'>;
  readonly mailer?: (Pick<Mailer, 'send'> & Partial<Pick<Mailer, 'close'>>) | undefined;
  readonly s3?: Pick<S3Store, 'put' | 'close'> | undefined;
  readonly sms?: SmsProvider | undefined;
  readonly pagerDutyUrl: string;
  readonly retry: RetryPolicy;
  /** How long one try may take, ms. */
  readonly timeout_ms: number;
}

export interface OutboundOptions {
  readonly ports: OutboundPorts;
  readonly webhooks: KindDefinitions<WebhookBody>;
  /** Those of the orders API. */
  readonly orderWebhooks: KindDefinitions<WebhookBody>;
  /** Of the installation: webhooks' secrets are encrypted with it. */
  readonly secret: SigningSecret;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Whom to tell beside the webhooks that asked for the type, and in what words. */
export interface Told {
  readonly channels: readonly Channel[];
  readonly message: ChannelMessage;
}

/**
 * Everything that is told to the outside. `notify` stores what is to be told; it is told from the stream, at least
 * once, by one of the processes, whatever happens to this one.
 */
export class Outbound {
  readonly webhooks: Webhooks;
  /** Of the orders API: told of what `tell` names them for. */
  readonly orderWebhooks: Webhooks;
  readonly deliveries: Deliveries;
  readonly #options: OutboundOptions;
  readonly #channels: ChannelSettings;
  readonly #relays: Relays;
  readonly #secrets: ChannelSecrets;
  readonly #metrics = new Metrics();
  #looking: NodeJS.Timeout | undefined;

  constructor(options: OutboundOptions) {
    this.#options = options;
    const { ports, webhooks, orderWebhooks, secret, clock, log } = options;
    const { notices, timeout_ms, http, retry, mailer, sms, pagerDutyUrl } = ports;
    this.#secrets = new ChannelSecrets(secret);
    this.#channels = { http, mailer, sms, pagerDutyUrl };
    this.deliveries = new Deliveries({ notices, log: ports.deliveries, clock, logger: log, timeout_ms });
    const parts = {
      ...{ deliveries: this.deliveries, http, secret, retry, clock, log, metrics: this.#metrics },
    };
    this.webhooks = new Webhooks({ ...parts, webhooks });
    this.orderWebhooks = new Webhooks({ ...parts, webhooks: orderWebhooks, form: ORDER_FORM });
    this.#relays = new Relays({
      ...{ sources: ports.sources, clock, log },
      store: (notice) => this.deliveries.store(notice),
      orderTenants: () => this.webhooks.orderTenants(),
      isWanted: (tenant, type) => this.webhooks.isWanted(tenant, type),
    });
  }

  /** Begins; the definitions are loaded. */
  start(): void {
    this.webhooks.start();
    this.orderWebhooks.start();
    this.webhooks.onWishes(() => this.#relays.follow());
    this.#relays.start();
    const look = (): void => {
      this.#look().catch((error: unknown) => {
        this.#options.log.warn({ err: error }, 'channels that others told something are not looked for now');
      });
    };
    this.#looking = setInterval(look, LOOK_MS).unref();
    look();
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    await this.#relays.close();
    await this.webhooks.close();
    await this.orderWebhooks.close();
    await this.deliveries.stop();
    this.#options.ports.mailer?.close?.();
    await this.#options.ports.s3?.close();
  }

  /**
   * Tells the webhooks of a tenant that asked for the type, and the channels that are named. `id` names what happened:
   * a repeat with the same one is the same for those who are told. Resolves when it is stored. Throws
   * `queue_unavailable` (retriable), `notice_too_large`.
   */
  async notify(tenant: string, type: string, id: string, payload: unknown, told?: Told): Promise<void> {
    const notice = { tenant, type, id, time_ms: told?.message.time_ms ?? this.#options.clock.now(), payload };
    await this.deliveries.store(notice);
    await this.tell(notice, told?.channels ?? [], told?.message);
  }

  /** Tells these channels alone: webhooks of any API by their id, and people in the words of the message. */
  async tell(notice: Notice, channels: readonly Channel[], message?: ChannelMessage): Promise<void> {
    for (const channel of channels) await this.#tell(notice, channel, message);
  }

  /** Tells people now, once, and says what became of it. */
  async tellNow(
    notice: Notice,
    channel: PeopleChannel,
    message: ChannelMessage,
    signal: AbortSignal,
  ): Promise<DeliveryView> {
    const sealed = this.#secrets.sealed(notice.tenant, channel);
    const endpoint = this.#endpointOf(notice.tenant, channel.type);
    return this.deliveries.deliverNow(endpoint, { ...notice, extra: { channel: sealed, message } }, signal);
  }

  /** Writes into the log of a type of channel that nobody could be told. */
  async untold(
    notice: Notice,
    channel: PeopleChannel['type'],
    error: { readonly code: string; readonly message: string },
  ): Promise<void> {
    await this.deliveries.refuse({ tenant: notice.tenant, name: endpointName(channel) }, notice, error);
  }

  /** What people of a tenant were told through a type of channel under a type of notice, the newest first. */
  async told(tenant: string, channel: PeopleChannel['type'], type: string): Promise<readonly DeliveryView[]> {
    const all = await this.deliveries.log.deliveries(tenant, endpointName(channel));
    return all.filter((one) => one.type === type);
  }

  /** Throws `channel_not_configured` (422) where the installation has no settings for a type of channel. */
  requireChannel(type: Channel['type'], path: string): void {
    requireConfigured(type, this.#channels, path);
  }

  /**
   * Throws `channel_not_configured` (422) where the installation has no settings for a channel, and
   * `validation_failed` (422) for a webhook that is not there: when a definition names them. `path` is that of the list.
   */
  requireChannels(tenant: string, channels: readonly Channel[], path = 'channels'): void {
    for (const [at, given] of channels.entries()) {
      const place = `${path}.${at}`;
      const channel = this.#secrets.opened(tenant, given, place);
      requireConfigured(channel.type, this.#channels, place);
      if (channel.type !== 'webhook') continue;
      if (this.#options.webhooks.get(tenant, channel.webhook_id) !== undefined) continue;
      const message = `There is no webhook with the id ${channel.webhook_id}.`;
      throw new ChannelError('validation_failed', `${place}.webhook_id`, message);
    }
  }

  /** Channels as a definition keeps them: their secrets encrypted. */
  sealed(tenant: string, channels: readonly Channel[]): readonly Channel[] {
    return channels.map((channel) => this.#secrets.sealed(tenant, channel));
  }

  /** Whether some process may still make notices of events of these sequences, both inclusive. */
  mayHold(first: number, last: number): Promise<boolean> {
    return this.#relays.mayHold(first, last);
  }

  /**
   * Has the log say of notices, by their places in the stream, that nobody is told of them any more where somebody
   * still was to be. Call it before they are deleted.
   */
  async withdraw(
    tenant: string,
    notices: readonly { readonly sequence: number; readonly subject: string }[],
  ): Promise<void> {
    const { webhooks, orderWebhooks } = this.#options;
    const all = [...webhooks.list(tenant), ...orderWebhooks.list(tenant)].map(({ id }) => id);
    const byEndpoint = new Map<string, Set<number>>();
    for (const { sequence, subject } of notices) {
      const to = directEndpoint(tenant, subject);
      for (const endpoint of to === undefined ? all : [to]) {
        const sequences = byEndpoint.get(endpoint) ?? new Set();
        byEndpoint.set(endpoint, sequences.add(sequence));
      }
    }
    for (const [name, sequences] of byEndpoint) await this.deliveries.withdraw({ tenant, name }, sequences);
  }

  samples(): MetricSample[] {
    return [...this.deliveries.samples(), ...this.#metrics.samples()];
  }

  async #tell(notice: Notice, channel: Channel, message: ChannelMessage | undefined): Promise<void> {
    const { tenant } = notice;
    const name = (target: string): string => `${messageIdOf(notice)}/${hashOf(target)}`;
    if (channel.type === 'webhook') {
      const { webhook_id } = channel;
      await this.deliveries.store(notice, { endpoint: webhook_id, id: name(webhook_id) });
      return;
    }
    if (message === undefined) return;
    const sealed = this.#secrets.sealed(tenant, channel);
    const opened = this.#secrets.opened(tenant, channel);
    if (sealed.type === 'webhook' || opened.type === 'webhook') return;
    const extra: PeopleExtra = { channel: sealed, message };
    const endpoint = endpointName(channel.type);
    await this.deliveries.store({ ...notice, extra }, { endpoint, id: name(targetOf(opened)) });
    this.#open(tenant, channel.type);
  }

  #open(tenant: string, type: string): void {
    this.deliveries.open(this.#endpointOf(tenant, type));
  }

  #endpointOf(tenant: string, type: string): PeopleEndpoint {
    return new PeopleEndpoint(tenant, type, this.#channels, this.#options.ports.retry, this.#secrets);
  }

  /** What was told by a process that is gone is told by those that are there. */
  async #look(): Promise<void> {
    for (const subject of await this.#options.ports.notices.subjects(ALL_DIRECT)) {
      const { tenant, endpoint } = endpointOf(subject);
      const type = channelTypeOf(endpoint);
      if (type !== undefined) this.#open(tenant, type);
    }
  }
}
