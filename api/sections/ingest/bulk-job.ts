import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { MAX_MESSAGE_BYTES } from '../../../analytics/index.ts';
import { MillraceError } from '../../../engine/index.ts';
import type { JobItemError, JobKind, RunningJob } from '../../../runtime/index.ts';
import { type ApiPorts, positionOf } from '../../http/index.ts';
import { type BodyEvent, checkAll, prepare, timeLimits } from './ingest-events.ts';
import type { Spool } from './spool.ts';
import type { SpoolPart } from './spool-parts.ts';

export const BULK_JOB = 'bulk_ingest';
const BATCH_LINES = 500;
const BATCH_BYTES = 1_048_576;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

/** What a job needs of the service. */
type BulkPorts = Pick<ApiPorts, 'events' | 'clock' | 'reader' | 'log' | 'fieldRules'>;

const inputSchema = z.object({
  size_bytes: z.int(),
  /** Of the upload's request. */
  trace: z.record(z.string(), z.string()).default({}),
});

/** How far a file is published. */
const stateSchema = z.object({
  done_bytes: z.number().default(0),
  done_lines: z.number().default(0),
  accepted: z.number().default(0),
  rejected: z.number().default(0),
  /** Last sequence that was stored; 0 before the first. */
  sequence: z.number().default(0),
  /** When the stream was created that it is of, as the server says it. */
  incarnation: z.string().exactOptional(),
});
type BulkState = z.infer<typeof stateSchema>;

/**
 * Publishes a spooled file batch by batch. While NATS is away it waits and tries again. After a restart
 * it goes on from the last checkpoint; events published twice count once by their `event_id`.
 */
export function bulkKind(parts: { spool: Spool; ports: BulkPorts }): JobKind {
  return {
    type: BULK_JOB,
    lane: 'ingest',
    dispose: ({ job_id }) => parts.spool.remove(job_id),
    run: async (job) => {
      const { size_bytes } = inputSchema.parse(job.record.input);
      let at = stateSchema.parse(job.record.state ?? {});
      let why: string | undefined;
      let batch: SpoolPart[] = [];
      let batch_bytes = 0;
      const step = (errors: readonly JobItemError[], done: number): void => {
        const { done_lines, accepted, rejected } = at;
        const counts = { done_lines, accepted, rejected };
        const progress = { done, total: size_bytes, unit: 'bytes' };
        job.advance({ ...progress, state: at, counts, errors, result: resultOf(at) });
      };
      const flush = async (): Promise<void> => {
        const published = await publishBatch(parts, job, batch, at);
        at = published.at;
        why ??= published.errors[0]?.reason;
        step(published.errors, at.done_bytes);
        batch = [];
        batch_bytes = 0;
      };
      for await (const part of spooled(parts.spool, job.record.job_id, at.done_bytes)) {
        job.signal.throwIfAborted();
        batch.push(part);
        batch_bytes += part.bytes?.length ?? 0;
        if (batch.length >= BATCH_LINES || batch_bytes >= BATCH_BYTES) await flush();
      }
      if (batch.length > 0) await flush();
      job.signal.throwIfAborted();
      step([], size_bytes);
      if (at.accepted === 0) throw nothingAccepted(at, why);
      return { result: resultOf(at) };
    },
  };
}

function resultOf({ sequence, incarnation }: BulkState): {
  readonly position: ReturnType<typeof positionOf> | null;
} {
  return { position: sequence === 0 ? null : positionOf(sequence, incarnation) };
}

async function* spooled(spool: Spool, job_id: string, from_bytes: number): AsyncGenerator<SpoolPart> {
  try {
    yield* spool.parts(job_id, from_bytes, MAX_MESSAGE_BYTES);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    const message = 'The upload is not on the disk any more. Upload the file again.';
    throw new MillraceError('upload_missing', message, { cause: error });
  }
}

/** A file of which nothing was taken is no success: it is of another kind than the caller thought. */
function nothingAccepted({ rejected }: BulkState, first: string | undefined): MillraceError {
  const why = first ?? (rejected > 0 ? 'see its errors' : 'it holds only white space');
  return new MillraceError(
    'nothing_accepted',
    `No event of the file was accepted; ${rejected} were rejected. The first: ${why}. Send NDJSON, one event a line, or one JSON array of events.`,
  );
}

async function publishBatch(
  { ports }: { ports: BulkPorts },
  job: RunningJob,
  batch: readonly SpoolPart[],
  at: BulkState,
): Promise<{ readonly at: BulkState; readonly errors: readonly JobItemError[] }> {
  const numbered = batch.map((part, index) => ({ part, line: at.done_lines + index + 1 }));
  const lines = numbered.filter(({ part }) => !isBlank(part));
  const parts = lines.map(({ part }) => eventOf(part));
  const { tenant } = job.record;
  const checks = await checkAll({ events: parts, whole: false }, timeLimits(ports, tenant), tenant);
  const { trace } = inputSchema.parse(job.record.input);
  const prepared = prepare(job.record.tenant, checks, trace);
  const { messages } = prepared;
  const stored = messages.length === 0 ? undefined : await publishPatiently(ports, job, messages);
  const { sequences = [], incarnation = at.incarnation } = stored ?? {};
  const sequence = sequences.reduce((a, b) => Math.max(a, b), at.sequence);
  const errors = prepared.rejected.map(({ index, event_id, reason }) => ({
    line: lines[index]?.line ?? 0,
    event_id,
    reason,
  }));
  return {
    at: {
      done_bytes: batch.at(-1)?.end_bytes ?? at.done_bytes,
      done_lines: at.done_lines + batch.length,
      accepted: at.accepted + messages.length,
      rejected: at.rejected + errors.length,
      sequence,
      ...(incarnation === undefined ? {} : { incarnation }),
    },
    errors,
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
): ReturnType<ApiPorts['events']['publishAll']> {
  for (let pause_ms = RETRY_MIN_MS; ; pause_ms = Math.min(RETRY_MAX_MS, 2 * pause_ms)) {
    signal.throwIfAborted();
    try {
      return await events.publishAll(messages);
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.retriable) throw error;
      log.warn({ err: error, job_id: record.job_id, pause_ms }, 'a job waits to publish');
      await sleep(pause_ms, undefined, { signal });
    }
  }
}
