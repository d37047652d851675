import type { HttpPost, HttpReply } from './http-sender.ts';

/** What is told to people, whatever it goes through. */
export interface ChannelMessage {
  /** One line. */
  readonly title: string;
  readonly text: string;
  /** The text for mails that are read as HTML; absent: they have the text alone. */
  readonly html?: string | undefined;
  readonly severity: 'info' | 'warning' | 'error' | 'critical';
  /** Names what it is about: the end of something has the name of its begin. */
  readonly about: string;
  readonly isResolved: boolean;
  readonly time_ms: number;
  /** What it was made from, for machines. */
  readonly details?: unknown;
}

const JSON_TYPE = { 'Content-Type': 'application/json' };
/** As the services say. */
const SLACK_MAX_CHARS = 35_000;
const SUMMARY_MAX_CHARS = 1_024;
const SMS_MAX_CHARS = 1_600;

/** Slack's incoming webhook, and what takes the same (Mattermost, Rocket.Chat). */
export function slackPost(url: string, { title, text }: ChannelMessage): HttpPost {
  // What Slack takes for markup: https://api.slack.com/reference/surfaces/formatting#escaping
  const plain = (part: string): string =>
    part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const body = { text: `*${plain(title)}*\n${plain(text)}`.slice(0, SLACK_MAX_CHARS) };
  return { url, headers: JSON_TYPE, body: JSON.stringify(body) };
}

/** PagerDuty's Events API v2: an incident begins, or the one of the same `about` ends. */
export function pagerDutyPost(url: string, routing_key: string, message: ChannelMessage): HttpPost {
  const { title, severity, about, isResolved, time_ms, details, text } = message;
  const event = {
    routing_key,
    event_action: isResolved ? 'resolve' : 'trigger',
    dedup_key: about.slice(0, 255),
    payload: {
      summary: title.slice(0, SUMMARY_MAX_CHARS),
      source: 'millrace',
      severity,
      timestamp: new Date(time_ms).toISOString(),
      custom_details: { text, details },
    },
  };
  return { url, headers: JSON_TYPE, body: JSON.stringify(event), isTrusted: true };
}

/** Where a provider of SMS and WhatsApp messages is, in Twilio's form. */
export interface SmsProvider {
  /** `…/2010-04-01/Accounts/AC…/Messages.json` */
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly from: string;
}

/** Twilio's form of a message; WhatsApp numbers have a prefix there. */
export function smsPost(
  { url, user, password, from }: SmsProvider,
  channel: 'sms' | 'whatsapp',
  to: string,
  { title, text }: ChannelMessage,
): HttpPost {
  const numbered = (number: string): string => (channel === 'whatsapp' ? `whatsapp:${number}` : number);
  const form = new URLSearchParams({
    To: numbered(to),
    From: numbered(from),
    Body: (text === '' ? title : `${title}\n${text}`).slice(0, SMS_MAX_CHARS),
  });
  return {
    url,
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    },
    body: form.toString(),
    isTrusted: true,
  };
}

/** Whether an answer says that it was taken. */
export const isTaken = ({ status }: HttpReply): boolean => status >= 200 && status < 300;
