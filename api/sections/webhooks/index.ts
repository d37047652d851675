export { deliveryPage, deliveryRoutes, type ServedWebhooks } from './delivery-routes.ts';
export {
  deliverySchema,
  deliveryView,
  EXAMPLE_DELIVERY,
  nameFor,
  secretSchema,
  webhookView,
} from './webhook-face.ts';
export { requireAllowed, webhookRoutes } from './webhook-routes.ts';
