import { z } from 'zod';
import { normalType } from '../../analytics/index.ts';
import type { DefinitionKind } from '../definitions/index.ts';
import { matchesType, NOTICE_TYPES } from '../delivery/index.ts';

const MAX_EVENTS = 50;
const MAX_RETRIES = 10;
const MAX_DELAY_S = 3_600;

const ORDER_TYPE = /^order\.(?:\*|[a-z0-9]+(?:\.[a-z0-9]+)*)$/;
const FAMILIES = ['*', 'anomaly.*', 'alert.*', 'report.*', 'export.*'];

/** Types of events that a webhook may ask for, in words. */
const KNOWN_EVENTS = [...NOTICE_TYPES, 'order.*', ...FAMILIES].join(', ');

function isKnownEvent(event: string): boolean {
  const normal = normalType(event);
  return FAMILIES.includes(normal) || NOTICE_TYPES.some((type) => type === normal) || ORDER_TYPE.test(normal);
}

const url = z
  .url({ protocol: /^https?$/, error: 'is a URL of http or https' })
  .max(2_048)
  // Also asked of what is no URL.
  .refine(
    (text) => !URL.canParse(text) || new URL(text).username + new URL(text).password === '',
    'has no user in it',
  )
  .describe('Where notices are posted to: an address of the public internet');

const retrySchema = z
  .strictObject({
    max_retries: z.int().min(0).max(MAX_RETRIES).describe('Tries behind the first'),
    delay_s: z.int().min(1).max(MAX_DELAY_S).describe('Seconds between them'),
  })
  .describe('When a delivery that failed is tried again; by default 3 times, 60 s apart');

/** What a tenant says of a webhook, beside its secret. */
export const webhookMembers = {
  url,
  events: z
    .array(
      z
        .string()
        .max(64)
        .refine(isKnownEvent, `is one of ${KNOWN_EVENTS}, or a type of order events such as order.created`),
    )
    .min(1)
    .max(MAX_EVENTS)
    .describe(
      `What it is told: ${KNOWN_EVENTS}, or single types such as \`order.created\`; \`*\` is everything`,
    ),
  description: z.string().max(1_000).optional(),
  active: z.boolean().default(true).describe('false: nothing is sent. true enables one that was disabled'),
  retry: retrySchema.optional(),
};

/** What is stored of a webhook beside what its tenant says. */
export const storedMembers = {
  /** Encrypted. */
  sealed_secret: z.string().max(2_048),
  /** Why nothing is sent although it is active. */
  disabled: z
    .object({ reason: z.enum(['gone', 'failing']), at_ms: z.number() })
    .nullable()
    .default(null),
  /** When it was enabled again; failures of before do not count. */
  enabled_at_ms: z.number().nullable().default(null),
};

/** A webhook as it is stored. */
const webhookSchema = z.strictObject({ ...webhookMembers, ...storedMembers });
export type WebhookBody = z.output<typeof webhookSchema>;

export const WEBHOOKS: DefinitionKind<WebhookBody> = {
  kind: 'webhook',
  schema: webhookSchema,
};

/** Whether a webhook asked for a type, in normal form. */
export const asksFor = ({ events }: Pick<WebhookBody, 'events'>, type: string): boolean =>
  events.some((pattern) => matchesType(pattern, type));

/** Whether it asked for types of order events: these are read from the tenant's own. */
export const asksForOrders = ({ events }: Pick<WebhookBody, 'events'>): boolean =>
  events.some((pattern) => pattern === '*' || normalType(pattern).startsWith('order.'));
