export { NatsRequests, type Served, type ServeOptions } from './nats-requests.ts';
