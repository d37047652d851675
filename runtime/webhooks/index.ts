export { Seal } from './seal.ts';
export { WEBHOOKS, type WebhookBody, webhookMembers } from './webhook-kind.ts';
export { Webhooks, type WebhooksOptions } from './webhooks.ts';
