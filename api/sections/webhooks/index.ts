export { deliveryPage } from './delivery-routes.ts';
export {
  deliverySchema,
  deliveryView,
  EXAMPLE_DELIVERY,
  secretSchema,
  webhookView,
} from './webhook-face.ts';
export { type WebhookKindFace, webhookKindRoutes } from './webhook-kind-routes.ts';
export { webhookRoutes } from './webhook-routes.ts';
