import { z } from 'zod';
import { traceOf } from '../../../engine/index.ts';
import { type Jobs, newJobId } from '../../../runtime/index.ts';
import {
  type Answer,
  ApiError,
  type Idempotency,
  idempotencyKeyOf,
  mediaTypeOf,
  type RawCall,
  type Route,
  route,
  type StoredAnswer,
} from '../../http/index.ts';
import { jobLocation, jobSchema, jobView, storedAnswer } from '../jobs/index.ts';
import { BULK_JOB } from './bulk-job.ts';
import { headersOf } from './ingest-events.ts';
import type { Spool, Spooled } from './spool.ts';

/** Besides NDJSON, what clients send a file as when they know no better. */
const UPLOAD_TYPES = [
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/octet-stream',
  'application/gzip',
  'application/x-gzip',
  'text/plain',
] as const;

const LINE = `${JSON.stringify({
  ...{ event_id: 'evt-2001', type: 'order.created', time: '2025-09-01T10:00:00Z', order_id: 'o-2001' },
  ...{ customer_id: 'c-17', channel: 'web', country: 'GB', currency: 'GBP', amount: 2_599 },
})}\n`;

interface BulkParts {
  readonly spool: Spool;
  readonly jobs: Jobs;
  readonly once: Idempotency;
}

/** Section 1: a file of events by HTTP, published by a job. */
export function bulkRoutes(parts: BulkParts): readonly Route[] {
  return [
    route({
      id: 'bulkIngest',
      method: 'POST',
      path: '/ingest/bulk',
      tag: 'Ingestion',
      summary: 'Upload a file of events',
      description:
        'Takes an NDJSON file or one JSON array of events as the body, also packed by gzip, and ' +
        'answers when it is on disk; a job then publishes it event by event. A job that a ' +
        'restart interrupts goes on. The job lists the lines (or items) that it could not take, ' +
        'and fails when it could take none. `application/json` is kept for pointers to S3, which are not supported.',
      permission: 'events:write',
      idempotent: true,
      raw_body: {
        description: 'NDJSON, one event a line, or one JSON array of events',
        content: {
          'application/x-ndjson': {
            schema: z.string().describe('One event a line'),
            examples: { lines: { summary: 'An event', value: LINE } },
          },
          'application/octet-stream': { schema: z.string().describe('The same') },
        },
      },
      answers: {
        202: {
          description: 'The job that publishes the file',
          schema: jobSchema,
          headers: { Location: 'The job' },
        },
      },
      problems: [
        'malformed_body',
        'body_too_large',
        'body_too_slow',
        'unsupported_media_type',
        'unsupported_encoding',
        'not_supported',
        'too_busy',
        'too_many_jobs',
        'disk_full',
        'kv_unavailable',
      ],
      handle: (call) => upload(call, parts),
    }),
  ];
}

async function upload(call: RawCall, { spool, jobs, once }: BulkParts): Promise<Answer> {
  const key = idempotencyKeyOf(call.request);
  requireUploadType(mediaTypeOf(call.request));
  jobs.requireRoom(call.tenant, BULK_JOB);
  const job_id = newJobId();
  const spooled = await spool.receive(call, job_id);
  let kept = false;
  const work = async (): Promise<StoredAnswer> => {
    const answer = await queueUpload(call, jobs, job_id, spooled);
    kept = true;
    return answer;
  };
  try {
    if (key === undefined) return storedAnswer(await work(), false);
    const { answer, replayed } = await once.once([call.tenant, 'bulk'], key, spooled.sha256, work);
    return storedAnswer(answer, replayed);
  } finally {
    if (!kept) await spool.remove(job_id);
  }
}

function requireUploadType(type: string): void {
  if (type === '' || UPLOAD_TYPES.some((known) => known === type)) return;
  if (type === 'application/json') {
    throw new ApiError(
      'not_supported',
      'application/json is kept for pointers to files in S3, which are not supported. Upload the file itself, NDJSON or ' +
        'one JSON array of events, as application/x-ndjson or application/octet-stream.',
    );
  }
  throw new ApiError(
    'unsupported_media_type',
    `Upload the file itself as the body, with a content type of ${UPLOAD_TYPES.join(', ')}.`,
    {
      headers: { 'Accept-Post': UPLOAD_TYPES.join(', ') },
    },
  );
}

async function queueUpload(
  call: RawCall,
  jobs: Jobs,
  job_id: string,
  { size_bytes }: Spooled,
): Promise<StoredAnswer> {
  if (size_bytes === 0) {
    const message = 'must hold at least one event';
    throw new ApiError('validation_failed', `The file ${message}.`, { errors: [{ path: '', message }] });
  }
  const record = await jobs.create({
    job_id,
    tenant: call.tenant,
    type: BULK_JOB,
    created_by: call.principal.key_id,
    input: { size_bytes, trace: traceOf(headersOf(call.request)) },
    progress: { total: size_bytes, unit: 'bytes' },
    isLocal: true,
  });
  return {
    status: 202,
    headers: { Location: jobLocation(call.base, job_id) },
    body: JSON.stringify(jobView(record)),
  };
}
