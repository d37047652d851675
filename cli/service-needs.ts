import { FORMER_KEYS_BUCKET } from '../api/index.ts';
import {
  ANOMALIES_STREAM,
  AUDIT_STREAM,
  DEADLETTER_STREAM,
  DELIVERIES_STREAM,
  EVENTS_STREAM,
  NOTICES_STREAM,
  type ServiceNeeds,
  SINKS_STREAM,
} from '../connectors/index.ts';
import { DEFINITIONS_BUCKET, MODELS_BUCKET, type Settings } from '../runtime/index.ts';

/** What the order analytics use on a NATS server. */
export const SERVICE_NEEDS: ServiceNeeds = {
  streams: [
    EVENTS_STREAM,
    DEADLETTER_STREAM,
    ANOMALIES_STREAM,
    NOTICES_STREAM,
    DELIVERIES_STREAM,
    AUDIT_STREAM,
    SINKS_STREAM,
  ],
  // The relays of webhooks, and their endpoints.
  worked: [EVENTS_STREAM.name, ANOMALIES_STREAM.name, NOTICES_STREAM.name, 'KV_millrace-jobs'],
  purged: [DELIVERIES_STREAM.name],
  objects: [MODELS_BUCKET],
  buckets: [
    FORMER_KEYS_BUCKET,
    DEFINITIONS_BUCKET,
    'millrace-idempotency',
    'millrace-jobs',
    'millrace-job-errors',
    'millrace-connectors',
    'millrace-deadletter-marks',
    'millrace-locks',
  ],
};

/** With what the settings ask for: events leave the stream where they are archived. */
export const serviceNeeds = ({ archive }: Pick<Settings, 'archive'>): ServiceNeeds =>
  archive.after_ms === undefined
    ? SERVICE_NEEDS
    : { ...SERVICE_NEEDS, purged: [...(SERVICE_NEEDS.purged ?? []), EVENTS_STREAM.name] };
