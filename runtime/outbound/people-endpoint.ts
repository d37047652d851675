import { z } from 'zod';
import type { Attempted, Endpoint, RetryPolicy, StoredNotice } from '../delivery/index.ts';
import { directSubject, messageIdOf } from '../delivery/index.ts';
import type { ChannelSecrets } from './channel-secrets.ts';
import {
  type Channel,
  ChannelError,
  type ChannelSettings,
  channelSchema,
  type PeopleChannel,
  sendTo,
  targetOf,
} from './channels.ts';

/** What a notice for people has beside it. */
const extraSchema = z.object({
  channel: channelSchema,
  message: z.object({
    title: z.string(),
    text: z.string(),
    html: z.string().optional(),
    severity: z.enum(['info', 'warning', 'error', 'critical']),
    about: z.string(),
    isResolved: z.boolean(),
    time_ms: z.number(),
    details: z.unknown().optional(),
  }),
});
export type PeopleExtra = z.output<typeof extraSchema>;

const PREFIX = 'channel-';

/** The endpoint of all channels of a kind of a tenant. */
export const endpointName = (type: PeopleChannel['type']): string => PREFIX + type;

/** The kind of channel of an endpoint; undefined for a webhook. */
export const channelTypeOf = (endpoint: string): string | undefined =>
  endpoint.startsWith(PREFIX) ? endpoint.slice(PREFIX.length) : undefined;

/** The channels of one kind and tenant, as one that is told of notices. */
export class PeopleEndpoint implements Endpoint {
  readonly from_ms = 0;
  readonly name: string;
  readonly tenant: string;
  readonly kind: string;
  readonly #settings: ChannelSettings;
  readonly #retry: RetryPolicy;
  readonly #secrets: ChannelSecrets;

  constructor(
    tenant: string,
    type: string,
    settings: ChannelSettings,
    retry: RetryPolicy,
    secrets: ChannelSecrets,
  ) {
    this.#secrets = secrets;
    this.tenant = tenant;
    this.kind = type;
    this.name = PREFIX + type;
    this.#settings = settings;
    this.#retry = retry;
  }

  subjects(): readonly string[] {
    return [directSubject(this.tenant, this.name)];
  }

  wants(): boolean {
    return false;
  }

  isOpen(): boolean {
    return true;
  }

  policy(): RetryPolicy {
    return this.#retry;
  }

  targetOf(notice: StoredNotice): string {
    const { channel: stored } = extraSchema.parse(notice.extra);
    const channel = this.#opened(stored) ?? stored;
    return channel.type === 'webhook' ? channel.webhook_id : targetOf(channel);
  }

  async send(notice: StoredNotice, signal: AbortSignal): Promise<Attempted> {
    const { channel: stored, message } = extraSchema.parse(notice.extra);
    const channel = this.#opened(stored);
    if (channel === undefined) {
      const message = 'KEY_SIGNING_SECRET is another one than when this was stored.';
      const error = { code: 'channel_secret_unreadable', message };
      return { verdict: 'refused', status: null, error, duration_ms: 0 };
    }
    if (channel.type === 'webhook') throw new Error('a webhook is told by itself');
    return sendTo(channel, message, this.#settings, messageIdOf(notice), signal);
  }

  #opened(channel: Channel): Channel | undefined {
    try {
      return this.#secrets.opened(this.tenant, channel);
    } catch (error) {
      if (error instanceof ChannelError) return undefined;
      throw error;
    }
  }

  async failed(): Promise<void> {
    // The log has it: nobody is there to be disabled.
  }
}
