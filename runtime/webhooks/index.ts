export {
  ORDER_EVENTS,
  ORDER_FORM,
  ORDER_WEBHOOKS,
  orderEventName,
  orderEventSchema,
  orderWebhookMembers,
  toldType,
} from './order-webhooks.ts';
export { Seal } from './seal.ts';
export { WEBHOOKS, type WebhookBody, webhookMembers } from './webhook-kind.ts';
export { Webhooks, type WebhooksOptions } from './webhooks.ts';
