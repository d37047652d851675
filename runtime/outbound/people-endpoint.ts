import { z } from 'zod';
import type { Attempted, Endpoint, RetryPolicy, StoredNotice } from '../delivery/index.ts';
import { directSubject, messageIdOf } from '../delivery/index.ts';
import { type ChannelSettings, channelSchema, type PeopleChannel, sendTo, targetOf } from './channels.ts';

/** What a notice for people has beside it. */
const extraSchema = z.object({
  channel: channelSchema,
  message: z.object({
    title: z.string(),
    text: z.string(),
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

  constructor(tenant: string, type: string, settings: ChannelSettings, retry: RetryPolicy) {
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
    const { channel } = extraSchema.parse(notice.extra);
    return channel.type === 'webhook' ? channel.webhook_id : targetOf(channel);
  }

  async send(notice: StoredNotice, signal: AbortSignal): Promise<Attempted> {
    const { channel, message } = extraSchema.parse(notice.extra);
    if (channel.type === 'webhook') throw new Error('a webhook is told by itself');
    return sendTo(channel, message, this.#settings, messageIdOf(notice), signal);
  }

  async failed(): Promise<void> {
    // The log has it: nobody is there to be disabled.
  }
}
