import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import {
  type Definition,
  DefinitionError,
  type DeliveryView,
  type LogEntry,
  nameSchema,
  type WebhookBody,
  webhookMembers,
} from '../../../runtime/index.ts';
import { DEFINITION_MEMBERS } from '../../definitions/index.ts';
import { timestamp, timeText, timeTextOrNull } from '../../http/index.ts';

export const secretSchema = z
  .string()
  .regex(/^[\x20-\x7e]{1,512}$/, 'has 1 to 512 printable ASCII characters')
  .describe('Signs what is sent; `whsec_` and base64 is the form of Standard Webhooks. Never shown again');

/** What callers say of a webhook. */
export const webhookInput = z.strictObject({
  name: nameSchema.optional().describe('Default: the host of the URL and some digits'),
  ...webhookMembers,
  secret: secretSchema.optional().describe('Default: a new one, which the answer has'),
});

/** What callers change of one. */
export const webhookPatch = z.looseObject({ secret: secretSchema.optional() });

const shownMembers = {
  ...webhookMembers,
  active: z.boolean(),
  status: z
    .enum(['active', 'inactive', 'disabled'])
    .describe('`disabled`: by itself, see `disabled`; PATCH `{"active": true}` enables it'),
  disabled: z
    .object({
      reason: z
        .enum(['gone', 'failing'])
        .describe('`gone`: it answered 410; `failing`: 10 deliveries in a row have failed'),
      at: timestamp('When'),
    })
    .nullable(),
};

/** A webhook as answers have it. */
export const webhookSchema = z.object({ ...DEFINITION_MEMBERS, ...shownMembers });
/** As the answer to its creation has it. */
export const createdSchema = webhookSchema.extend({ secret: z.string().describe('Shown this once') });

export function webhookView({ body, ...definition }: Definition<WebhookBody>): Record<string, unknown> {
  const { id, name, revision, created_at_ms, updated_at_ms, created_by } = definition;
  const { url, events, description, active, retry, disabled } = body;
  return {
    ...{ id, name, url, events },
    ...(description === undefined ? {} : { description }),
    ...(retry === undefined ? {} : { retry }),
    active,
    status: !active ? 'inactive' : disabled === null ? 'active' : 'disabled',
    disabled: disabled === null ? null : { reason: disabled.reason, at: timeText(disabled.at_ms) },
    revision,
    created_at: timeText(created_at_ms),
    updated_at: timeText(updated_at_ms),
    created_by,
  };
}

/** A name for a webhook that was given none. */
export const nameFor = (url: string): string =>
  `${new URL(url).hostname.slice(0, 100)} ${randomBytes(3).toString('hex')}`;

/** Throws 422 for members that callers do not set. */
export function requireKnown(patch: Readonly<Record<string, unknown>>): void {
  const unknown = Object.keys(patch).filter((member) => !Object.hasOwn(webhookInput.shape, member));
  if (unknown.length === 0) return;
  const known = Object.keys(webhookInput.shape).join(', ');
  const errors = unknown.map((path) => ({ path, message: `is no member of a webhook; those are ${known}` }));
  throw new DefinitionError('validation_failed', `${unknown[0]} is no member of a webhook.`, errors);
}

export const EXAMPLE_INPUT = {
  name: 'shop floor',
  url: 'https://hooks.example.com/millrace',
  events: ['anomaly.detected', 'export.failed'],
  secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD',
};

export const EXAMPLE_ID = 'webhook_01J4ZQ8W6N3V5T7R9P1M3K5H7F';

export const EXAMPLE_WEBHOOK = {
  id: EXAMPLE_ID,
  name: EXAMPLE_INPUT.name,
  url: EXAMPLE_INPUT.url,
  events: EXAMPLE_INPUT.events,
  active: true,
  status: 'active',
  disabled: null,
  revision: 12,
  created_at: '2025-08-01T12:00:00.000Z',
  updated_at: '2025-08-01T12:00:00.000Z',
  created_by: '9f2c4be07a51d3e8',
};

const errorSchema = z.object({ code: z.string(), message: z.string() }).nullable();

/** A delivery as answers have it. */
export const deliverySchema = z.object({
  id: z.string(),
  message_id: z.string().describe('`webhook-id` of every try'),
  type: z.string().describe('What it tells of'),
  status: z
    .enum(['pending', 'succeeded', 'retrying', 'failed'])
    .describe('`pending`: somebody wants it sent again; `retrying`: it failed, and is tried again'),
  created_at: timestamp('When it was first tried'),
  next_attempt_at: z.string().nullable(),
  response_status: z.int().nullable().describe('Of the last try; null: there was no answer'),
  duration_ms: z.number().nullable().describe('Of the last try'),
  attempts_total: z.int(),
  attempts: z.array(
    z.object({
      at: timestamp('When it had ended'),
      response_status: z.int().nullable(),
      duration_ms: z.number().nullable(),
      error: errorSchema.describe('Why it failed'),
    }),
  ),
});

export function deliveryView(delivery: DeliveryView): z.output<typeof deliverySchema> {
  const { delivery_id, message_id, type, status, created_at_ms, next_attempt_at_ms, attempts } = delivery;
  const last = attempts.at(-1);
  return {
    id: delivery_id,
    ...{ message_id, type, status },
    created_at: timeText(created_at_ms),
    next_attempt_at: timeTextOrNull(next_attempt_at_ms),
    response_status: last?.response_status ?? null,
    duration_ms: last?.duration_ms ?? null,
    attempts_total: attempts.length,
    attempts: attempts.map(({ at_ms, response_status, duration_ms, error }: LogEntry) => ({
      at: timeText(at_ms),
      ...{ response_status, duration_ms, error },
    })),
  };
}

export const EXAMPLE_DELIVERY = {
  id: 'dlv_3kq5mzv7xw2ahb4ncd6tfe2gjy',
  message_id: 'msg_o4y5c6tq2bwvhz7xkdm3na5rle',
  type: 'anomaly.detected',
  status: 'succeeded',
  created_at: '2025-08-01T12:00:00.000Z',
  next_attempt_at: null,
  response_status: 204,
  duration_ms: 38,
  attempts_total: 1,
  attempts: [{ at: '2025-08-01T12:00:00.000Z', response_status: 204, duration_ms: 38, error: null }],
};
