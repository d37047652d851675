import { resolve } from 'node:path';
import { z } from 'zod';
import {
  ANSWER_TIMEOUT_MS,
  type MailSettings,
  type S3Settings,
  type SmsProvider,
} from '../../connectors/index.ts';
import { duration, integer } from './setting-fields.ts';

const DAY_MS = 86_400_000;
const MAX_TIMEOUT_MS = 60_000;
const MAX_RETRIES = 10;

const web = z.string().regex(/^https?:\/\/\S+$/, 'must be a URL such as https://host/path');
const text = z.string().optional();

/** What is told to the outside, and with what. */
export const outboundFields = {
  WEBHOOK_ALLOW_PRIVATE: z
    .enum(['0', '1'], { error: 'must be 1 or absent' })
    .default('0')
    .describe('1: webhooks and Slack may be at private addresses, loopback and link-local among them'),
  WEBHOOK_TIMEOUT: duration(`${ANSWER_TIMEOUT_MS}ms`, MAX_TIMEOUT_MS).describe(
    'How long one try to tell a webhook or a channel may take',
  ),
  WEBHOOK_RETRIES: integer(3, 0, MAX_RETRIES).describe(
    'Tries behind the first, where a webhook says nothing',
  ),
  WEBHOOK_RETRY_DELAY: duration('60s', DAY_MS).describe('Time between them'),
  SMTP_URL: z
    .string()
    .regex(/^smtps?:\/\/\S+$/, 'must be a URL such as smtp://user:password@host:587')
    .optional()
    .describe('SMTP server that mails are sent by, with MAIL_FROM; without it none are'),
  MAIL_FROM: text.describe('Sender of mails, e.g. `Millrace <alerts@example.com>`'),
  S3_ENDPOINT: web.optional().describe('A server that speaks S3, e.g. http://minio:9000; absent: AWS'),
  S3_REGION: z.string().default('us-east-1').describe('Region of S3'),
  S3_ACCESS_KEY_ID: text.describe('Key of S3, with S3_SECRET_ACCESS_KEY; without it nothing goes to S3'),
  S3_SECRET_ACCESS_KEY: text.describe('Secret of S3_ACCESS_KEY_ID'),
  CONNECTOR_ALLOW_PRIVATE: z
    .enum(['0', '1'], { error: 'must be 1 or absent' })
    .default('0')
    .describe('1: connectors of tenants may read from private addresses, loopback and link-local among them'),
  CONNECTOR_DROP_FOLDER: text.describe(
    'Folder with a folder for each tenant, by its name, whose files its connectors may read; absent: none',
  ),
  PAGERDUTY_URL: web
    .default('https://events.pagerduty.com/v2/enqueue')
    .describe("PagerDuty's Events API v2, or what takes the same"),
  SMS_PROVIDER_URL: web
    .optional()
    .describe("Where SMS and WhatsApp messages are posted to, in Twilio's form; without it none are"),
  SMS_PROVIDER_USER: text.describe('User of SMS_PROVIDER_URL: the account'),
  SMS_PROVIDER_PASSWORD: text.describe('Password of SMS_PROVIDER_USER: the token'),
  SMS_FROM: text.describe('Number that SMS and WhatsApp messages come from'),
};

type OutboundFields = z.infer<z.ZodObject<typeof outboundFields>>;

/** Groups of settings that mean something together only. */
const TOGETHER = [
  ['SMTP_URL', 'MAIL_FROM'],
  ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'],
  ['SMS_PROVIDER_URL', 'SMS_PROVIDER_USER', 'SMS_PROVIDER_PASSWORD', 'SMS_FROM'],
] as const;

export function checkOutbound(s: OutboundFields, context: z.RefinementCtx): void {
  for (const names of TOGETHER) {
    const given = names.find((name) => s[name] !== undefined);
    const absent = names.find((name) => s[name] === undefined);
    if (given === undefined || absent === undefined) continue;
    context.addIssue({ code: 'custom', path: [absent], message: `goes with ${given}: set it too` });
  }
}

/** What the settings say of what leaves. */
export interface OutboundSettings {
  readonly allowPrivate: boolean;
  readonly timeout_ms: number;
  readonly retry: { readonly retries_max: number; readonly delay_ms: number };
  /** Undefined: no mail is sent. */
  readonly mail: MailSettings | undefined;
  /** Undefined: nothing goes to S3. */
  readonly s3: S3Settings | undefined;
  readonly pagerDutyUrl: string;
  readonly connectors: {
    readonly allowPrivate: boolean;
    /** Absolute; undefined: no files are read. */
    readonly dropFolder: string | undefined;
  };
  /** Undefined: neither SMS nor WhatsApp. */
  readonly sms: SmsProvider | undefined;
}

export function outboundOf(s: OutboundFields): OutboundSettings {
  const { SMTP_URL, MAIL_FROM, SMS_PROVIDER_URL, SMS_PROVIDER_USER, SMS_PROVIDER_PASSWORD, SMS_FROM } = s;
  return {
    allowPrivate: s.WEBHOOK_ALLOW_PRIVATE === '1',
    timeout_ms: s.WEBHOOK_TIMEOUT,
    retry: { retries_max: s.WEBHOOK_RETRIES, delay_ms: s.WEBHOOK_RETRY_DELAY },
    mail: SMTP_URL === undefined ? undefined : { url: SMTP_URL, from: MAIL_FROM ?? '' },
    s3:
      s.S3_ACCESS_KEY_ID === undefined
        ? undefined
        : {
            ...{ endpoint: s.S3_ENDPOINT, region: s.S3_REGION, accessKeyId: s.S3_ACCESS_KEY_ID },
            secretAccessKey: s.S3_SECRET_ACCESS_KEY ?? '',
          },
    pagerDutyUrl: s.PAGERDUTY_URL,
    connectors: {
      allowPrivate: s.CONNECTOR_ALLOW_PRIVATE === '1',
      dropFolder: s.CONNECTOR_DROP_FOLDER === undefined ? undefined : resolve(s.CONNECTOR_DROP_FOLDER),
    },
    sms:
      SMS_PROVIDER_URL === undefined
        ? undefined
        : {
            url: SMS_PROVIDER_URL,
            user: SMS_PROVIDER_USER ?? '',
            password: SMS_PROVIDER_PASSWORD ?? '',
            from: SMS_FROM ?? '',
          },
  };
}
