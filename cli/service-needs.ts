import {
  ANOMALIES_STREAM,
  DEADLETTER_STREAM,
  EVENTS_STREAM,
  type ServiceNeeds,
} from '../connectors/index.ts';
import { DEFINITIONS_BUCKET } from '../runtime/index.ts';

/** What the order analytics use on a NATS server. */
export const SERVICE_NEEDS: ServiceNeeds = {
  streams: [EVENTS_STREAM, DEADLETTER_STREAM, ANOMALIES_STREAM],
  buckets: [
    'millrace-keys',
    DEFINITIONS_BUCKET,
    'millrace-idempotency',
    'millrace-jobs',
    'millrace-job-errors',
  ],
};
