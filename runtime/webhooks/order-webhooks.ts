import { z } from 'zod';
import { isOrderChangeType, normalType, toJsonText } from '../../analytics/index.ts';
import type { DefinitionKind } from '../definitions/index.ts';
import type { WebhookForm } from './webhook-form.ts';
import { storedMembers, type WebhookBody, webhookMembers } from './webhook-kind.ts';

const MAX_EVENTS = 50;
const FAMILIES = ['*', 'order.*'];

/** Events of orders by the names that the orders API has for them. */
export const ORDER_EVENTS = [
  'order.created',
  'order.updated',
  'order.status_changed',
  'order.confirmed',
  'order.shipped',
  'order.fulfilled',
  'order.delivered',
  'order.cancelled',
  'order.rto',
  'payment.succeeded',
  'payment.failed',
  'refund.issued',
  'return.requested',
  'return.received',
  'chargeback.received',
] as const;

/** The type under which an event is told, however it is spelt: `order.shipped` of `order_fulfilled`. */
export const toldType = normalType;

const NAMES: ReadonlyMap<string, string> = new Map(
  [...ORDER_EVENTS].reverse().map((name) => [toldType(name), name] as const),
);

/** The name of a told type in this API: `order.status_changed`. */
export const orderEventName = (type: string): string => NAMES.get(type) ?? type;

export const orderEventSchema = z
  .string()
  .max(64)
  .refine(isOrderChangeType, `is one of ${ORDER_EVENTS.join(', ')}, or another type of order events`);

/** What a tenant says of a webhook of the orders API, beside its secret. */
export const orderWebhookMembers = {
  ...webhookMembers,
  events: z
    .array(z.union([z.enum(FAMILIES), orderEventSchema]))
    .min(1)
    .max(MAX_EVENTS)
    .describe(
      `What it is told: ${ORDER_EVENTS.join(', ')}, other types of the tenant's order events; \`*\` is everything`,
    ),
};

/** Webhooks of the orders API: told of what changes orders. */
export const ORDER_WEBHOOKS: DefinitionKind<WebhookBody> = {
  kind: 'order_webhook',
  schema: z.strictObject({ ...orderWebhookMembers, ...storedMembers }),
};

function asksForOrder({ events }: Pick<WebhookBody, 'events'>, type: string): boolean {
  return events.some(
    (pattern) =>
      pattern === '*' || toldType(pattern) === type || (pattern === 'order.*' && type.startsWith('order.')),
  );
}

/** An instant as `2026-03-05T10:30:00+00:00`, with a fraction of the second only where it has one. */
const offsetTime = (time_ms: number): string =>
  new Date(time_ms).toISOString().replace('.000', '').replace('Z', '+00:00');

/** Each notice is stored for the one webhook that it is for. */
export const ORDER_FORM: WebhookForm = {
  subjectsOf: () => [],
  wants: asksForOrder,
  bodyOf: ({ events }, { type, time_ms, payload }) => {
    // An event has the spelling under which it was asked for.
    const asked = events.find((event) => !FAMILIES.includes(event) && toldType(event) === type);
    return toJsonText({ event: asked ?? orderEventName(type), payload, timestamp: offsetTime(time_ms) });
  },
  testOf: () => ({
    ...{ order_id: 'test', order_number: 'TEST', old_status: 'pending', new_status: 'confirmed' },
  }),
};
