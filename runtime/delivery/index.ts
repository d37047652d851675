export { Deliveries, type DeliveriesOptions } from './deliveries.ts';
export { type DeliveryView, failuresInRow, type LogEntry } from './delivery-log.ts';
export type { Attempted, Endpoint, RetryPolicy, Verdict } from './endpoint.ts';
export {
  ALL_DIRECT,
  directEndpoint,
  directSubject,
  endpointOf,
  hashOf,
  matchesType,
  messageIdOf,
  NOTICE_MAX_BYTES,
  NOTICE_TYPES,
  type Notice,
  patternSubject,
  type StoredNotice,
} from './notice.ts';
