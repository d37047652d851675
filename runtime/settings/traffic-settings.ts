import type { z } from 'zod';
import { MAX_CUSTOM_DIMENSIONS } from './dimension-names.ts';
import { duration, integer } from './setting-fields.ts';

const MIB = 1_048_576;
const MAX_BYTES = 1_048_576 * MIB;
const HOUR_MS = 3_600_000;
const MAX_COUNT = 100_000;

/** What one caller may take of the service, so that none takes it from the others. */
export const trafficFields = {
  RATE_LIMIT_RPS: integer(2_000, 1, 1_000_000).describe(
    'Requests a second of one API key or token subject, sustained',
  ),
  RATE_LIMIT_BURST: integer(4_000, 1, 1_000_000).describe('Requests of one API key or token subject at once'),
  PIPELINED_MAX_REQUESTS: integer(64, 1, 10_000).describe(
    'Requests of one connection that wait for the answer of the one before',
  ),
  INFLIGHT_BODY_BYTES: integer(256 * MIB, 16 * MIB, 64 * 1_024 * MIB).describe(
    'Bytes of request bodies held in memory at once',
  ),
  INFLIGHT_BODY_BYTES_PER_TENANT: integer(0, 0, MAX_BYTES).describe(
    'Bytes of them that bodies of one tenant may take; 0: half of INFLIGHT_BODY_BYTES',
  ),
  INFLIGHT_BODY_BYTES_PER_KEY: integer(0, 0, MAX_BYTES).describe(
    'Bytes of them that bodies of one key or token subject may take; 0: a quarter of INFLIGHT_BODY_BYTES',
  ),
  BODY_TIMEOUT: duration('2m', HOUR_MS).describe('How long a body that is held in memory may take to arrive'),
  BODY_MIN_BYTES_PER_S: integer(1_024, 1, MIB).describe('Rate at which a body has to arrive, uploads too'),
  BODY_RATE_WINDOW: duration('10s', HOUR_MS).describe('Time over which that rate is looked at'),
  BULK_MAX_BYTES: integer(2_048 * MIB, 1_024, MAX_BYTES).describe('Size of one bulk upload, unpacked'),
  BULK_MAX_UPLOADS: integer(16, 1, 1_000).describe('Bulk uploads that arrive at once'),
  BULK_MAX_UPLOADS_PER_TENANT: integer(4, 1, 1_000).describe('Of them those of one tenant'),
  BULK_MAX_UPLOADS_PER_KEY: integer(2, 1, 1_000).describe('Of them those of one key or token subject'),
  SPOOL_MAX_BYTES: integer(10_240 * MIB, 1_024, MAX_BYTES).describe('Size of all bulk uploads on disk'),
  SPOOL_MAX_BYTES_PER_TENANT: integer(0, 0, MAX_BYTES).describe(
    'Of them those of one tenant; 0: half of SPOOL_MAX_BYTES',
  ),
  DEADLETTER_MAX_PER_MESSAGE: integer(20, 1, 1_000).describe(
    'Bad parts of one message that become dead letters of their own; the others are one with the whole message',
  ),
  DEADLETTER_MAX_PER_MIN: integer(1_000, 1, 1_000_000).describe(
    'Dead letters of one tenant a minute, and at once; those beyond are one for each commit that says where they are',
  ),
  DEADLETTER_MAX_BYTES_PER_H: integer(16 * MIB, 1_024, MAX_BYTES).describe(
    'Bytes of dead letters of one tenant an hour, and at once',
  ),
  DEADLETTER_MAX_BYTES_PER_30D: integer(64 * MIB, 1_024, MAX_BYTES).describe(
    'Bytes of dead letters of one tenant in 30 days, and at once; then one an hour says where the others are',
  ),
  DIMENSIONS_MAX_PER_TENANT: integer(16, 1, MAX_CUSTOM_DIMENSIONS).describe(
    'Dimensions that one tenant may define, of those that the installation has columns for',
  ),
  QUERIES_MAX_BEGUN: integer(512, 1, MAX_COUNT).describe(
    'Queries that are begun and not answered: planned, waiting, running',
  ),
  QUERIES_MAX_BEGUN_PER_TENANT: integer(128, 1, MAX_COUNT).describe('Of them those of one tenant'),
  QUERIES_MAX_BEGUN_PER_KEY: integer(32, 1, MAX_COUNT).describe('Of them those of one key or token subject'),
};

/** What one caller may take. */
export interface TrafficSettings {
  readonly rateLimit: { readonly requests_per_s: number; readonly burst: number };
  /** Of one connection, that wait for the answer of the one before. */
  readonly pipelined_max_requests: number;
  /** Request bodies in memory. */
  readonly bodies: {
    readonly all_bytes: number;
    readonly tenant_bytes: number;
    readonly key_bytes: number;
  };
  /** How fast they have to come. */
  readonly bodyPace: {
    readonly deadline_ms: number;
    readonly least_bytes_per_s: number;
    readonly window_ms: number;
  };
  readonly bulk: {
    readonly upload_max_bytes: number;
    readonly uploads_max: Readonly<Record<'all' | 'tenant' | 'key', number>>;
    readonly spool_max_bytes: number;
    readonly spool_tenant_max_bytes: number;
  };
  /** Dead letters of one tenant, and of one message. */
  readonly letters: {
    readonly per_message: number;
    readonly per_min: number;
    readonly bytes_per_h: number;
    readonly bytes_per_30d: number;
  };
  /** Dimensions that one tenant may define. */
  readonly dimensions_tenant_max: number;
  /** Queries that are begun and not answered. */
  readonly queries_begun_max: Readonly<Record<'all' | 'tenant' | 'key', number>>;
}

type TrafficFields = z.infer<z.ZodObject<typeof trafficFields>>;

export function trafficOf(s: TrafficFields): TrafficSettings {
  const all_bytes = s.INFLIGHT_BODY_BYTES;
  return {
    rateLimit: { requests_per_s: s.RATE_LIMIT_RPS, burst: s.RATE_LIMIT_BURST },
    pipelined_max_requests: s.PIPELINED_MAX_REQUESTS,
    bodies: {
      all_bytes,
      tenant_bytes: s.INFLIGHT_BODY_BYTES_PER_TENANT || Math.ceil(all_bytes / 2),
      key_bytes: s.INFLIGHT_BODY_BYTES_PER_KEY || Math.ceil(all_bytes / 4),
    },
    bodyPace: {
      deadline_ms: s.BODY_TIMEOUT,
      least_bytes_per_s: s.BODY_MIN_BYTES_PER_S,
      window_ms: s.BODY_RATE_WINDOW,
    },
    bulk: {
      upload_max_bytes: s.BULK_MAX_BYTES,
      uploads_max: {
        all: s.BULK_MAX_UPLOADS,
        tenant: s.BULK_MAX_UPLOADS_PER_TENANT,
        key: s.BULK_MAX_UPLOADS_PER_KEY,
      },
      spool_max_bytes: s.SPOOL_MAX_BYTES,
      spool_tenant_max_bytes: s.SPOOL_MAX_BYTES_PER_TENANT || Math.ceil(s.SPOOL_MAX_BYTES / 2),
    },
    letters: {
      per_message: s.DEADLETTER_MAX_PER_MESSAGE,
      per_min: s.DEADLETTER_MAX_PER_MIN,
      bytes_per_h: s.DEADLETTER_MAX_BYTES_PER_H,
      bytes_per_30d: s.DEADLETTER_MAX_BYTES_PER_30D,
    },
    dimensions_tenant_max: s.DIMENSIONS_MAX_PER_TENANT,
    queries_begun_max: {
      all: s.QUERIES_MAX_BEGUN,
      tenant: s.QUERIES_MAX_BEGUN_PER_TENANT,
      key: s.QUERIES_MAX_BEGUN_PER_KEY,
    },
  };
}
