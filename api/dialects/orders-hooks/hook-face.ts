import { z } from 'zod';
import {
  type Definition,
  DefinitionError,
  nameSchema,
  orderWebhookMembers,
  type WebhookBody,
} from '../../../runtime/index.ts';
import { DEFINITION_MEMBERS } from '../../definitions/index.ts';
import { timestamp } from '../../http/index.ts';
import { secretSchema, webhookView } from '../../sections/webhooks/index.ts';

const { active: _, ...members } = orderWebhookMembers;

/** What callers say of an order webhook. */
export const hookInput = z.strictObject({
  name: nameSchema.optional().describe('Default: the host of the URL and some digits'),
  ...members,
  secret: secretSchema.optional().describe('Signs what is sent. Default: a new one, which the answer has'),
  is_active: z.boolean().default(true).describe('false: nothing is sent. true enables one that was disabled'),
});

/** What callers change of one. */
export const hookPatch = z.looseObject({
  secret: secretSchema.optional(),
  is_active: z.boolean().nullable().optional(),
});

/** An order webhook as answers have it. */
export const hookSchema = z.object({
  ...DEFINITION_MEMBERS,
  ...members,
  is_active: z.boolean(),
  status: z.enum(['active', 'inactive', 'disabled']).describe('`disabled`: by itself, see `disabled`'),
  disabled: z
    .object({
      reason: z
        .enum(['gone', 'failing'])
        .describe('`gone`: it answered 410; `failing`: 10 deliveries in a row failed'),
      at: timestamp('When'),
    })
    .nullable(),
});
/** As the answer to its creation has it. */
export const createdHookSchema = hookSchema.extend({
  secret: z.string().nullable().describe('Shown this once'),
});

export function hookView(webhook: Definition<WebhookBody>): Record<string, unknown> {
  const { active, ...shown } = webhookView(webhook);
  return { ...shown, is_active: active };
}

/** Throws 422 for members that callers do not set. */
export function requireHookMembers(patch: Readonly<Record<string, unknown>>): void {
  const errors = Object.keys(patch)
    .filter((member) => !Object.hasOwn(hookInput.shape, member))
    .map((path) => ({ path, message: 'is no member of an order webhook' }));
  const [first] = errors;
  if (first !== undefined)
    throw new DefinitionError('validation_failed', `${first.path} ${first.message}.`, errors);
}

export const EXAMPLE_HOOK_INPUT = {
  url: 'https://yourapp.example.com/webhook/orders',
  secret: 'whsec_your_signing_secret',
  events: ['order.created', 'order.status_changed', 'order.delivered'],
  is_active: true,
};

export const EXAMPLE_HOOK = {
  id: 'order_webhook_01J4ZQ8W6N3V5T7R9P1M3K5H7F',
  name: 'yourapp.example.com 4f02a1',
  url: EXAMPLE_HOOK_INPUT.url,
  events: EXAMPLE_HOOK_INPUT.events,
  is_active: true,
  status: 'active',
  disabled: null,
  revision: 12,
  created_at: '2025-08-01T12:00:00.000Z',
  updated_at: '2025-08-01T12:00:00.000Z',
  created_by: '9f2c4be07a51d3e8',
};
