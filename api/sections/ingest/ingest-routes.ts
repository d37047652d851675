import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { eventSchema, nearestType, type TimeLimits, uncountedWarning } from '../../../analytics/index.ts';
import { traceOf } from '../../../engine/index.ts';
import {
  type Answer,
  ApiError,
  type ApiPorts,
  type DocumentedBody,
  type FieldError,
  type Idempotency,
  idempotencyKeyOf,
  positionOf,
  positionSchema,
  type RawCall,
  type Route,
  readWithin,
  route,
  type StoredAnswer,
  timeText,
} from '../../http/index.ts';
import { storedAnswer } from '../jobs/index.ts';
import type { EventCheck } from './event-check.ts';
import {
  checkAll,
  eventsOf,
  headersOf,
  identityOf,
  MAX_EVENTS,
  MAX_INGEST_BYTES,
  notKept,
  type Prepared,
  prepare,
  requireEventType,
  timeLimits,
} from './ingest-events.ts';

const eventListSchema = z.array(eventSchema).min(1).max(MAX_EVENTS);

const ingestAnswerSchema = z.object({
  ingestion_id: z.string(),
  accepted: z.int().describe('Events that the stream has stored'),
  rejected: z.array(
    z.object({
      index: z.int().describe('Place in the body, from 0 (NDJSON: blank lines do not count)'),
      event_id: z.string().nullable(),
      reason: z.string().describe('`code: what is wrong`'),
    }),
  ),
  position: positionSchema
    .nullable()
    .describe('Ask a query for it as `min_position` to read these events; null when none was accepted'),
  warnings: z
    .array(z.string())
    .optional()
    .describe(
      'Of accepted events that are older than what the tenant keeps (`retention_days` of its settings)',
    ),
});

const EVENT = {
  event_id: 'evt-1001',
  type: 'order.created',
  time: '2025-08-01T12:00:00Z',
  order_id: 'o-1',
  customer_id: 'c-7',
  channel: 'web',
  country: 'GB',
  currency: 'GBP',
  amount: 4599,
  items: [{ sku: 'SKU-1', category: 'shoes', quantity: 1, unit_price: 4599 }],
};

const NDJSON_BODY = z.string().describe('One event a line');

const EVENTS_BODY: DocumentedBody = {
  description:
    `One event, an array of events or NDJSON; at most ${MAX_EVENTS} events and ` +
    `${MAX_INGEST_BYTES} bytes, unpacked. CloudEvents 1.0 are events too: structured, ` +
    'batched, or binary: the attributes in percent-encoded `ce-…` headers, `ce-specversion` ' +
    'among them, and the data as the body. `application/ndjson` and `application/jsonl` are ' +
    '`application/x-ndjson`. Numbers and members that are not described here ' +
    'are stored as they were sent.',
  content: {
    'application/json': {
      schema: z.union([eventSchema, eventListSchema]),
      examples: {
        one: { summary: 'One event', value: EVENT },
        several: {
          summary: 'Several events',
          value: [EVENT, { ...EVENT, event_id: 'evt-1002', type: 'order.shipped' }],
        },
      },
    },
    'application/x-ndjson': {
      schema: NDJSON_BODY,
      examples: {
        lines: {
          summary: 'Two events',
          value: `${JSON.stringify(EVENT)}\n${JSON.stringify({ ...EVENT, event_id: 'evt-1003', order_id: 'o-2' })}\n`,
        },
      },
    },
    'application/cloudevents+json': { schema: z.looseObject({ specversion: z.literal('1.0') }) },
    'application/cloudevents-batch+json': {
      schema: z.array(z.looseObject({ specversion: z.literal('1.0') })),
    },
  },
};

/** What mappings make of records, for `POST /ingest/validate`. */
export interface Samples {
  readonly request: z.ZodType;
  readonly answer: z.ZodType;
  /** Undefined for a body that holds events. */
  readonly of: (call: RawCall, bytes: Uint8Array) => Promise<object | undefined>;
}

const SAMPLE = {
  mapping: { preset: 'stripe' },
  records: [
    {
      body: {
        ...{ id: 'evt_1', type: 'payment_intent.succeeded', created: 1_754_049_600, livemode: true },
        data: {
          object: { id: 'pi_1', amount_received: 4_599, currency: 'gbp', metadata: { order_id: 'o-1' } },
        },
      },
    },
  ],
};

/** Section 1: events by HTTP. */
export function ingestRoutes(ports: ApiPorts, once: Idempotency, samples: Samples): readonly Route[] {
  const limits = ({ tenant }: RawCall): TimeLimits => timeLimits(ports, tenant);
  return [
    route({
      id: 'ingestEvents',
      audited: 'ingest',
      method: 'POST',
      path: '/ingest',
      tag: 'Ingestion',
      summary: 'Store events',
      description:
        'Answers 202 after the stream has stored the events. A list may be taken in part: `rejected` ' +
        'says which events were not, even when it is all of them. A single event that is not valid is a ' +
        '422. Repeating a request is harmless: an event counts once by its `event_id`.',
      permission: 'events:write',
      raw_body: EVENTS_BODY,
      idempotent: true,
      answers: {
        202: {
          description: 'Stored',
          schema: ingestAnswerSchema,
          example: {
            ingestion_id: 'ing_0b0c9c1e',
            accepted: 2,
            rejected: [{ index: 2, event_id: null, reason: 'missing_field: event_id: required' }],
            position: { EVENTS: { 0: 18234 } },
          },
        },
      },
      problems: [
        'malformed_json',
        'malformed_body',
        'json_too_deep',
        'invalid_event',
        'too_many_events',
        'body_too_large',
        'body_too_slow',
        'unsupported_media_type',
        'unsupported_encoding',
        'too_busy',
        'stream_unavailable',
        'stream_full',
        'kv_unavailable',
      ],
      handle: async (call) => {
        const key = idempotencyKeyOf(call.request);
        requireEventType(call.request, headersOf(call.request));
        const bytes = await readWithin(call, MAX_INGEST_BYTES);
        const work = (): Promise<StoredAnswer> => ingest(ports, limits(call), call, bytes);
        if (key === undefined) return storedAnswer(await work(), false);
        const identity = `${identityOf(call.request)}\n`;
        const fingerprint = createHash('sha256').update(identity).update(bytes).digest('hex');
        const { answer, replayed } = await once.once([call.tenant, 'ingest'], key, fingerprint, work);
        return storedAnswer(answer, replayed);
      },
    }),
    route({
      id: 'validateEvents',
      audited: 'none',
      method: 'POST',
      path: '/ingest/validate',
      tag: 'Ingestion',
      summary: 'Check events without storing them, or what a mapping makes of records',
      description:
        'A JSON object with `records`, and a `mapping` or a `connector_id`, asks what a connector would make of ' +
        'records of its source; signatures are not looked at. Any other body is checked as that of `POST /ingest`.',
      permission: 'events:write',
      raw_body: {
        ...EVENTS_BODY,
        content: {
          ...EVENTS_BODY.content,
          'application/json': {
            schema: z.union([eventSchema, eventListSchema, samples.request]),
            examples: {
              ...EVENTS_BODY.content['application/json']?.examples,
              mapping: { summary: 'What a preset makes of a payload', value: SAMPLE },
            },
          },
        },
      },
      answers: {
        200: {
          description: 'What is right and wrong with each event',
          schema: z.union([validateAnswerSchema, samples.answer]),
        },
      },
      problems: [
        'validation_failed',
        'not_found',
        'malformed_json',
        'malformed_body',
        'json_too_deep',
        'too_many_events',
        'body_too_large',
        'body_too_slow',
        'unsupported_media_type',
        'unsupported_encoding',
        'too_busy',
      ],
      handle: (call) => validate(call, limits(call), samples),
    }),
  ];
}

async function ingest(
  ports: ApiPorts,
  limits: TimeLimits,
  call: RawCall,
  bytes: Uint8Array,
): Promise<StoredAnswer> {
  const headers = headersOf(call.request);
  const body = eventsOf(bytes, headers);
  const checks = await checkAll(body, limits, call.tenant);
  if (body.single) refuseInvalid(checks[0]);
  const warnings = notKept(ports, call.tenant, checks);
  const answer = {
    ...(await publish(ports.events, prepare(call.tenant, checks, traceOf(headers)))),
    ...(warnings.length === 0 ? {} : { warnings }),
  };
  return { status: 202, headers: {}, body: JSON.stringify(answer) };
}

function refuseInvalid(check: EventCheck | undefined): void {
  if (check === undefined || check.ok) return;
  throw new ApiError('invalid_event', `The event is not valid. ${check.code}: ${check.message}`, {
    errors: check.errors,
  });
}

async function publish(events: ApiPorts['events'], { messages, rejected }: Prepared): Promise<object> {
  const { sequences, incarnation } =
    messages.length === 0 ? { sequences: [] } : await events.publishAll(messages);
  return {
    ingestion_id: `ing_${randomUUID()}`,
    accepted: messages.length,
    rejected,
    position:
      sequences.length === 0
        ? null
        : positionOf(
            sequences.reduce((a, b) => Math.max(a, b), 0),
            incarnation,
          ),
  };
}

const validateAnswerSchema = z.object({
  valid: z.boolean().describe('All of them are'),
  accepted: z.int(),
  rejected: z.int(),
  events: z.array(
    z.object({
      index: z.int(),
      event_id: z.string().nullable(),
      valid: z.boolean(),
      type: z.string().optional(),
      time: z.string().optional().describe('Event time as it was understood, UTC'),
      code: z.string().optional(),
      errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
      warnings: z
        .array(
          z.object({
            code: z.literal('uncounted_type'),
            message: z.string(),
            type: z.string().describe('In its normal form'),
            nearest: z.string().nullable().describe('The nearest type that a metric counts'),
          }),
        )
        .optional()
        .describe('What is right and perhaps not meant'),
    }),
  ),
});

interface EventReport {
  readonly index: number;
  readonly event_id: string | null;
  readonly valid: boolean;
  readonly type?: string;
  readonly time?: string;
  readonly code?: string;
  readonly errors?: readonly FieldError[];
  readonly warnings?: readonly Warning[];
}

interface Warning {
  readonly code: 'uncounted_type';
  readonly message: string;
  readonly type: string;
  readonly nearest: string | null;
}

/** A type that no metric counts is right, and often a slip. */
function warningsOf(type: string): { readonly warnings?: readonly Warning[] } {
  const uncounted = nearestType(type);
  if (uncounted === undefined) return {};
  return { warnings: [{ code: 'uncounted_type', message: uncountedWarning(uncounted), ...uncounted }] };
}

async function validate(call: RawCall, limits: TimeLimits, samples: Samples): Promise<Answer> {
  const headers = headersOf(call.request);
  requireEventType(call.request, headers);
  const bytes = await readWithin(call, MAX_INGEST_BYTES);
  const sample = await samples.of(call, bytes);
  if (sample !== undefined) return { status: 200, json: sample };
  const body = eventsOf(bytes, headers);
  const checks = await checkAll(body, limits, call.tenant);
  const events = checks.map((check, index): EventReport => {
    const { event_id } = check;
    return check.ok
      ? {
          index,
          event_id,
          valid: true,
          type: check.type,
          time: timeText(check.time_ms),
          ...warningsOf(check.type),
        }
      : { index, event_id, valid: false, code: check.code, errors: check.errors };
  });
  const rejected = events.filter(({ valid }) => !valid).length;
  return {
    status: 200,
    json: { valid: rejected === 0, accepted: events.length - rejected, rejected, events },
  };
}
