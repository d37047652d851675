export { connectorRoutes } from './connector-routes.ts';
export { eventDoor } from './event-door.ts';
export { sampleAnswer, sampleOf, sampleRequest } from './sample.ts';
export { webhookInRoute } from './webhook-route.ts';
