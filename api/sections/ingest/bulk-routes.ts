import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { MAX_MESSAGE_BYTES } from '../../../analytics/index.ts';
import { MillraceError } from '../../../engine/index.ts';
import {
  type Answer,
  ApiError,
  type ApiPorts,
  type Idempotency,
  idempotencyKeyOf,
  mediaTypeOf,
  positionOf,
  type RawCall,
  type Route,
  route,
  type StoredAnswer,
} from '../../http/index.ts';
import {
  type JobManager,
  type JobRunner,
  jobLocation,
  jobSchema,
  jobView,
  newJobId,
  type RunningJob,
} from '../jobs/index.ts';
import { type BodyEvent, checkAll, prepare, timeLimits } from './ingest-events.ts';
import { answerOf } from './ingest-routes.ts';
import type { Spool, Spooled } from './spool.ts';
import type { SpoolPart } from './spool-parts.ts';

export const BULK_JOB = 'bulk_ingest';
/** Rejected lines that a job lists; all are counted. */
export const MAX_LISTED_REJECTIONS = 1_000;
const BATCH_LINES = 500;
const BATCH_BYTES = 1_048_576;
const CHECKPOINT_MS = 1_000;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

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

/** What a job needs of the service. */
type BulkPorts = Pick<ApiPorts, 'events' | 'clock' | 'reader' | 'log'>;

interface RejectedLine {
  /** From 1, as editors count; of an array its item. */
  readonly line: number;
  readonly event_id: string | null;
  readonly reason: string;
}

interface BulkResult {
  readonly position: Record<string, Record<string, number>> | null;
  readonly rejected: RejectedLine[];
}

interface BulkProgress {
  readonly [name: string]: number;
  readonly done_bytes: number;
  readonly total_bytes: number;
  readonly done_lines: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Last sequence that was stored; 0 before the first. */
  readonly sequence: number;
}

/** Section 1: a file of events by HTTP, published by a job. */
export function bulkRoutes(parts: { spool: Spool; jobs: JobManager; once: Idempotency }): readonly Route[] {
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
          'application/x-ndjson': { schema: z.string().describe('One event a line') },
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

async function upload(
  call: RawCall,
  { spool, jobs, once }: { spool: Spool; jobs: JobManager; once: Idempotency },
): Promise<Answer> {
  const key = idempotencyKeyOf(call.request);
  requireUploadType(mediaTypeOf(call.request));
  jobs.requireRoom();
  const job_id = newJobId();
  const spooled = await spool.receive(call.request, job_id);
  let kept = false;
  const work = async (): Promise<StoredAnswer> => {
    const answer = await createJob(call, jobs, job_id, spooled);
    kept = true;
    return answer;
  };
  try {
    if (key === undefined) return answerOf(await work(), false);
    const { answer, replayed } = await once.once([call.tenant, 'bulk'], key, spooled.sha256, work);
    return answerOf(answer, replayed);
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

async function createJob(
  call: RawCall,
  jobs: JobManager,
  job_id: string,
  { size_bytes }: Spooled,
): Promise<StoredAnswer> {
  if (size_bytes === 0) {
    const message = 'must hold at least one event';
    throw new ApiError('validation_failed', `The file ${message}.`, { errors: [{ path: '', message }] });
  }
  const progress: BulkProgress = {
    done_bytes: 0,
    total_bytes: size_bytes,
    done_lines: 0,
    accepted: 0,
    rejected: 0,
    sequence: 0,
  };
  const record = await jobs.create({
    job_id,
    tenant: call.tenant,
    type: BULK_JOB,
    created_by: call.principal.key_id,
    input: null,
    progress,
  });
  return {
    status: 202,
    headers: { Location: jobLocation(call.base, job_id) },
    body: JSON.stringify(jobView(record)),
  };
}

/**
 * Publishes a spooled file batch by batch. While NATS is away it waits and tries again. After a restart
 * it goes on from the last checkpoint; events published twice count once by their `event_id`.
 */
export function bulkRunner(parts: { spool: Spool; ports: BulkPorts }): JobRunner {
  const { spool } = parts;
  return {
    dispose: ({ job_id }) => spool.remove(job_id),
    run: async (job) => {
      const { job_id, progress, result } = job.record;
      let at = progress as BulkProgress;
      let known = (result as BulkResult | null) ?? { position: null, rejected: [] };
      let saved_ms = performance.now();
      let batch: SpoolPart[] = [];
      let batch_bytes = 0;
      const flush = async (): Promise<void> => {
        ({ at, known } = await publishBatch(parts, job, batch, at, known));
        job.advance(at, known);
        batch = [];
        batch_bytes = 0;
        if (performance.now() - saved_ms < CHECKPOINT_MS) return;
        await job.checkpoint();
        saved_ms = performance.now();
      };
      for await (const part of spool.parts(job_id, at.done_bytes, MAX_MESSAGE_BYTES)) {
        job.signal.throwIfAborted();
        batch.push(part);
        batch_bytes += part.bytes?.length ?? 0;
        if (batch.length >= BATCH_LINES || batch_bytes >= BATCH_BYTES) await flush();
      }
      if (batch.length > 0) await flush();
      job.advance({ ...at, done_bytes: at.total_bytes }, known);
      if (at.accepted === 0) throw nothingAccepted(at, known);
      return known;
    },
  };
}

/** A file of which nothing was taken is no success: it is of another kind than the caller thought. */
function nothingAccepted({ rejected }: BulkProgress, known: BulkResult): MillraceError {
  const why = known.rejected[0]?.reason ?? 'it holds only white space';
  return new MillraceError(
    'nothing_accepted',
    `No event of the file was accepted; ${rejected} were rejected. The first: ${why}. Send NDJSON, one event a line, or one JSON array of events.`,
  );
}

async function publishBatch(
  { ports }: { ports: BulkPorts },
  job: RunningJob,
  batch: readonly SpoolPart[],
  at: BulkProgress,
  known: BulkResult,
): Promise<{ at: BulkProgress; known: BulkResult }> {
  const numbered = batch.map((part, index) => ({ part, line: at.done_lines + index + 1 }));
  const lines = numbered.filter(({ part }) => !isBlank(part));
  const parts = lines.map(({ part }) => eventOf(part));
  const checks = await checkAll({ events: parts, whole: false }, timeLimits(ports));
  const prepared = prepare(job.record.tenant, checks);
  const { messages } = prepared;
  const sequences = messages.length === 0 ? [] : await publishPatiently(ports, job, messages);
  const sequence = sequences.reduce((a, b) => Math.max(a, b), at.sequence);
  const rejected = prepared.rejected.map(({ index, event_id, reason }) => ({
    line: lines[index]?.line ?? 0,
    event_id,
    reason,
  }));
  return {
    at: {
      done_bytes: batch.at(-1)?.end_bytes ?? at.done_bytes,
      total_bytes: at.total_bytes,
      done_lines: at.done_lines + batch.length,
      accepted: at.accepted + messages.length,
      rejected: at.rejected + rejected.length,
      sequence,
    },
    known: {
      position: sequence === 0 ? null : positionOf(sequence),
      rejected: [...known.rejected, ...rejected].slice(0, MAX_LISTED_REJECTIONS),
    },
  };
}

/** A blank line is no event. */
function isBlank({ bytes }: SpoolPart): boolean {
  return bytes?.length === 0;
}

function eventOf({ bytes, problem }: SpoolPart): BodyEvent {
  if (bytes !== undefined) return { ok: true, bytes };
  const message =
    problem === 'malformed_json'
      ? 'The array does not end, lacks an item, or something follows it.'
      : `The event is longer than ${MAX_MESSAGE_BYTES} bytes.`;
  return { ok: false, code: problem ?? 'too_large', message };
}

async function publishPatiently(
  { events, log }: BulkPorts,
  { signal, record }: RunningJob,
  messages: Parameters<ApiPorts['events']['publishAll']>[0],
): Promise<readonly number[]> {
  for (let pause_ms = RETRY_MIN_MS; ; pause_ms = Math.min(RETRY_MAX_MS, 2 * pause_ms)) {
    signal.throwIfAborted();
    try {
      return (await events.publishAll(messages)).sequences;
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.retriable) throw error;
      log.warn({ err: error, job_id: record.job_id, pause_ms }, 'a job waits to publish');
      await sleep(pause_ms, undefined, { signal });
    }
  }
}
