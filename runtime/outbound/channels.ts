import { z } from 'zod';
import {
  type ChannelMessage,
  type HttpPost,
  type HttpSender,
  isTaken,
  type Mailer,
  pagerDutyPost,
  type SmsProvider,
  slackPost,
  smsPost,
} from '../../connectors/index.ts';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import type { Attempted } from '../delivery/index.ts';

const MAX_RECIPIENTS = 50;
const PHONE = /^\+[1-9]\d{6,14}$/;

/** A number of a telephone, as providers take it. */
export const phoneSchema = z.string().regex(PHONE, 'is a number such as +447700900123');

/** A secret as it is stored begins with it. */
export const SEALED = 'sealed:';
const sealed = z
  .string()
  .regex(/^sealed:v1\.[\w-]+$/)
  .max(4_096);

/** Whom something is told to: a webhook of the tenant, or people. */
export const channelSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('webhook'), webhook_id: z.string().max(128) }),
  z.strictObject({
    type: z.literal('slack'),
    url: z
      .union([z.url({ protocol: /^https?$/ }).max(2_048), sealed])
      .describe('Of an incoming webhook; it is stored encrypted and not shown again'),
  }),
  z.strictObject({ type: z.literal('email'), to: z.array(z.email().max(254)).min(1).max(MAX_RECIPIENTS) }),
  z.strictObject({
    type: z.literal('pagerduty'),
    routing_key: z
      .union([z.string().regex(/^[A-Za-z0-9]{32}$/, 'is the integration key: 32 letters and digits'), sealed])
      .describe('The integration key; it is stored encrypted and not shown again'),
  }),
  z.strictObject({ type: z.literal('sms'), to: phoneSchema }),
  z.strictObject({ type: z.literal('whatsapp'), to: phoneSchema }),
]);
export type Channel = z.output<typeof channelSchema>;
export type PeopleChannel = Exclude<Channel, { type: 'webhook' }>;

/** What an installation tells people with. */
export interface ChannelSettings {
  readonly http: Pick<HttpSender, 'post'>;
  /** Undefined: no mail is sent. */
  readonly mailer: Pick<Mailer, 'send'> | undefined;
  /** Undefined: neither SMS nor WhatsApp. */
  readonly sms: SmsProvider | undefined;
  /** Of PagerDuty's Events API v2. */
  readonly pagerDutyUrl: string;
}

/** A channel that a definition names and that cannot be used. `status` is the HTTP status of it. */
export class ChannelError extends MillraceError {
  readonly status = 422;
  readonly errors: readonly { readonly path: string; readonly message: string }[];

  constructor(code: 'channel_not_configured' | 'validation_failed', path: string, message: string) {
    super(code, message);
    this.name = 'ChannelError';
    this.errors = [{ path, message }];
  }
}

/** Throws `channel_not_configured` for a type of channel that the installation has no settings for. */
export function requireConfigured(
  type: Channel['type'],
  { mailer, sms }: Pick<ChannelSettings, 'mailer' | 'sms'>,
  path: string,
): void {
  const missing =
    type === 'email' && mailer === undefined
      ? 'SMTP_URL and MAIL_FROM'
      : (type === 'sms' || type === 'whatsapp') && sms === undefined
        ? 'SMS_PROVIDER_URL, SMS_PROVIDER_USER, SMS_PROVIDER_PASSWORD and SMS_FROM'
        : undefined;
  if (missing === undefined) return;
  throw new ChannelError(
    'channel_not_configured',
    path,
    `This installation does not send by ${type}: its settings ${missing} are absent.`,
  );
}

/** Names whom a channel reaches. */
export const targetOf = (channel: PeopleChannel): string => JSON.stringify(channel);

/** One try to tell people. */
export async function sendTo(
  channel: PeopleChannel,
  message: ChannelMessage,
  settings: ChannelSettings,
  id: string,
  signal: AbortSignal,
): Promise<Attempted> {
  const began_ms = performance.now();
  const took_ms = (): number => Math.round(performance.now() - began_ms);
  try {
    if (channel.type === 'email') {
      const { title: subject, text, html } = message;
      await mailerOf(settings).send({ to: channel.to, subject, text, html, id });
      return { verdict: 'succeeded', status: null, error: null, duration_ms: took_ms() };
    }
    const reply = await settings.http.post({ ...postOf(channel, message, settings), signal });
    const { status, text } = reply;
    if (isTaken(reply)) return { verdict: 'succeeded', status, error: null, duration_ms: took_ms() };
    const said = withoutAddresses(channel, text.slice(0, 200));
    const error = { code: 'unexpected_status', message: `The answer was ${status}: ${said}` };
    return { verdict: 'failed', status, error, duration_ms: took_ms() };
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message: why, retriable } = asMillraceError(thrown);
    const verdict = retriable ? 'failed' : 'refused';
    return {
      verdict,
      status: null,
      error: { code, message: withoutAddresses(channel, why) },
      duration_ms: took_ms(),
    };
  }
}

/** Servers repeat the addresses that they refuse: the log of deliveries keeps none. */
function withoutAddresses(channel: PeopleChannel, text: string): string {
  if (!('to' in channel)) return text;
  const addresses = typeof channel.to === 'string' ? [channel.to] : channel.to;
  return addresses.reduce((left, address) => {
    const any = new RegExp(address.replaceAll(/[^\w@]/g, '\\$&'), 'gi');
    return left.replaceAll(any, '…');
  }, text);
}

function postOf(
  channel: Exclude<PeopleChannel, { type: 'email' }>,
  message: ChannelMessage,
  settings: ChannelSettings,
): HttpPost {
  switch (channel.type) {
    case 'slack':
      return slackPost(channel.url, message);
    case 'pagerduty':
      return pagerDutyPost(settings.pagerDutyUrl, channel.routing_key, message);
    case 'sms':
    case 'whatsapp':
      return smsPost(smsOf(channel, settings), channel.type, channel.to, message);
  }
}

// A definition may be older than the settings of this start.
function mailerOf({ mailer }: ChannelSettings): Pick<Mailer, 'send'> {
  if (mailer !== undefined) return mailer;
  throw new ChannelError('channel_not_configured', 'channels', 'SMTP_URL is not set any more.');
}

function smsOf(channel: PeopleChannel, { sms }: ChannelSettings): SmsProvider {
  if (sms !== undefined) return sms;
  throw new ChannelError(
    'channel_not_configured',
    'channels',
    `${channel.type}: SMS_PROVIDER_URL is not set any more.`,
  );
}
