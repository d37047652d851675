import { createHash } from 'node:crypto';
import { z } from 'zod';
import { asMillraceError } from '../../../engine/index.ts';
import {
  isFinished,
  JOB_STATUSES,
  type JobItemError,
  type JobRecord,
  type Jobs,
  newJobId,
} from '../../../runtime/index.ts';
import { MASK } from '../../answers/index.ts';
import {
  type Answer,
  ApiError,
  type EventStreams,
  type Idempotency,
  idempotencyKeyOf,
  type RawCall,
  type Route,
  route,
  type ServerEvent,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';
import type { Spool } from '../../sections/ingest/index.ts';
import { isResumed, maySee, RESUMED, requireOwn, storedAnswer } from '../../sections/jobs/index.ts';
import {
  boundaryOf,
  CHUNK_ROWS,
  COLUMNS,
  csvRows,
  IMPORT_JOB,
  type ImportInput,
  MAX_IMPORT_ROWS,
  partsOf,
} from '../../sections/order-imports/index.ts';
import { ORDERS } from '../orders-hooks/index.ts';

export interface ImportRouteParts {
  readonly jobs: Jobs;
  readonly spool: Spool;
  readonly streams: EventStreams;
  readonly once: Idempotency;
  /** The currency of rows without one. */
  readonly currencyOf: (tenant: string) => string | undefined;
  /** Whether something of events is hidden from a caller. */
  readonly isMasked: (call: RawCall) => boolean;
}

const LISTED_ERRORS = 100;
const MAX_FIELD_BYTES = 128;

const importSchema = z.object({
  import_id: z.string(),
  status: z.enum(JOB_STATUSES),
  filename: z.string().nullable(),
  source: z.string().nullable(),
  progress: z.object({
    ...{ processed_rows: z.int(), total_rows: z.int().nullable().describe('null: not counted yet') },
    percent: z.number().nullable(),
  }),
  ...{ created: z.int(), updated: z.int(), unchanged: z.int().describe('They were that already') },
  superseded: z.int().describe('Rows of an order that a later row of the file says anew'),
  rejected: z.int(),
  resumed: z.boolean().describe(RESUMED),
  errors: z
    .array(z.object({ line: z.int().nullable(), order_number: z.string().nullable(), message: z.string() }))
    .describe(`The first ${LISTED_ERRORS}, by line; the job of this id has more`),
  error: z.object({ code: z.string(), message: z.string() }).nullable().describe('Why it failed'),
  position: z
    .unknown()
    .describe('`min_position` of queries that must see what was imported; null: nothing yet'),
  ...{ created_at: z.string(), started_at: z.string().nullable(), finished_at: z.string().nullable() },
});

const EXAMPLE = {
  ...{ import_id: 'job_5f0c6a1f0a6b4f0f9b7a2f6f3a1c9d42', status: 'running' as const },
  ...{ filename: 'orders.csv', source: 'csv-import' },
  progress: { processed_rows: 1_500, total_rows: 3_000, percent: 50 },
  ...{ created: 1_480, updated: 15, unchanged: 0, superseded: 3, rejected: 2, resumed: false },
  errors: [{ line: 7, order_number: 'ORD-7', message: 'invalid_row: item_name is required' }],
  ...{ error: null, position: { EVENTS: { 0: 18_234 } }, created_at: '2025-08-01T12:00:00.000Z' },
  ...{ started_at: '2025-08-01T12:00:00.100Z', finished_at: null },
};

/** Import of orders from CSV, and how far it is. */
export function importRoutes(parts: ImportRouteParts): readonly Route[] {
  return [importRoute(parts), statusRoute(parts), eventsRoute(parts), cancelRoute(parts)];
}

function importRoute(parts: ImportRouteParts): Route {
  return route({
    id: 'ordersImport',
    method: 'POST',
    path: '/orders/bulk/import',
    tag: 'Orders',
    face: ORDERS,
    summary: 'Import orders from a CSV file',
    description:
      `A form with the field \`file\` (at most ${MAX_IMPORT_ROWS} rows), and \`source\` and \`currency\` if wanted. ` +
      `Columns: ${COLUMNS.join(', ')}, \`custom_fields.<field_key>\`. An order that is not there is created, another ` +
      'one is updated; of rows of one order the last counts. The same file twice changes nothing. Rows are imported ' +
      `in chunks of ${CHUNK_ROWS}, between which it can be cancelled; a restart goes on.`,
    permission: 'events:write',
    audited: 'ingest',
    idempotent: true,
    raw_body: {
      description: 'The form',
      content: {
        'multipart/form-data': {
          schema: z.object({
            file: z.string().describe('CSV in UTF-8 with a head'),
            source: z.string().optional().describe('Of the events; default `csv-import`'),
            currency: z.string().optional().describe("Of rows without one; default: the tenant's"),
          }),
        },
      },
    },
    answers: {
      202: {
        description: 'It is on disk and will be imported',
        schema: importSchema,
        example: { ...EXAMPLE, status: 'queued' },
        headers: { Location: 'Its status' },
      },
    },
    problems: [
      ...(['malformed_body', 'body_too_large', 'body_too_slow', 'unsupported_media_type'] as const),
      ...(['unsupported_encoding', 'too_busy', 'too_many_jobs', 'disk_full', 'kv_unavailable'] as const),
    ],
    handle: (call) => upload(call, parts),
  });
}

async function upload(call: RawCall, parts: ImportRouteParts): Promise<Answer> {
  const { spool, jobs, once } = parts;
  const key = idempotencyKeyOf(call.request);
  const boundary = boundaryOf(call.request.headers.get('content-type'));
  jobs.requireRoom(call.tenant, IMPORT_JOB);
  const job_id = newJobId();
  const { size_bytes } = await spool.receive(call, job_id);
  let isKept = false;
  const work = async (input: ImportInput) => {
    const record = await jobs.create({
      ...{ job_id, tenant: call.tenant, type: IMPORT_JOB, created_by: call.principal.key_id, input },
      ...{ progress: { total: null, unit: 'rows' }, isLocal: true },
    });
    isKept = true;
    const headers = { Location: `${call.base}/orders/bulk/import/${job_id}` };
    return { status: 202 as const, headers, body: JSON.stringify(importView(record, [], false)) };
  };
  try {
    const { input, sha256 } = await inputOf(parts, call, { job_id, size_bytes, boundary });
    if (key === undefined) return storedAnswer(await work(input), false);
    // Of the same form a client may make another body: its boundary is random.
    const fingerprint = JSON.stringify([sha256, input.source, input.currency, input.filename]);
    const { answer, replayed } = await once.once([call.tenant, IMPORT_JOB], key, fingerprint, () =>
      work(input),
    );
    return storedAnswer(answer, replayed);
  } finally {
    if (!isKept) await spool.remove(job_id);
  }
}

interface Uploaded {
  readonly job_id: string;
  readonly size_bytes: number;
  readonly boundary: string;
}

/** Looks where the file lies in the form, and at its head. */
async function inputOf(
  { spool, currencyOf }: ImportRouteParts,
  { tenant }: RawCall,
  { job_id, size_bytes, boundary }: Uploaded,
): Promise<{ readonly input: ImportInput; readonly sha256: string }> {
  const found = await partsOf(spool.bytes(job_id, 0, size_bytes), boundary);
  const file = found.find(({ name }) => name === 'file');
  if (file === undefined) throw wrong('file', 'is needed: the CSV');
  const text = async (name: string): Promise<string | undefined> => {
    const part = found.find((one) => one.name === name);
    if (part === undefined) return undefined;
    if (part.end - part.start > MAX_FIELD_BYTES) throw wrong(name, `may have ${MAX_FIELD_BYTES} bytes`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of spool.bytes(job_id, part.start, part.end)) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8').trim() || undefined;
  };
  const currency = (await text('currency'))?.toUpperCase() ?? currencyOf(tenant);
  if (currency !== undefined && !/^[A-Z]{3}$/.test(currency))
    throw wrong('currency', 'must be three letters');
  await requireHead(spool.bytes(job_id, file.start, file.end));
  const hash = createHash('sha256');
  for await (const chunk of spool.bytes(job_id, file.start, file.end)) hash.update(chunk);
  const input = {
    ...{ start_byte: file.start, end_byte: file.end, source: (await text('source')) ?? 'csv-import' },
    ...(currency === undefined ? {} : { currency }),
    filename: file.filename?.slice(0, MAX_FIELD_BYTES) ?? null,
  };
  return { input, sha256: hash.digest('hex') };
}

async function requireHead(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of csvRows(bytes)) return;
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    if (code === 'csv_invalid') throw wrong('file', message);
    throw thrown;
  }
}

const wrong = (path: string, message: string): ApiError =>
  new ApiError('validation_failed', `${path}: ${message}`, { errors: [{ path, message }] });

const params = z.object({ importId: z.string().max(128) });
type ImportCall = RawCall & { readonly params: { readonly importId: string } };

async function find({ jobs }: ImportRouteParts, call: ImportCall): Promise<JobRecord> {
  const record = await jobs.get(call.tenant, call.params.importId);
  if (record.type === IMPORT_JOB && maySee(call.principal, record)) return record;
  throw new ApiError('not_found', 'There is no import with this id.');
}

function statusRoute(parts: ImportRouteParts): Route {
  return route({
    id: 'ordersImportStatus',
    method: 'GET',
    path: '/orders/bulk/import/{importId}',
    tag: 'Orders',
    face: ORDERS,
    summary: 'How far an import is',
    description: 'It is also a job of the first API, by the same id.',
    permission: 'jobs:read',
    params,
    answers: { 200: { description: 'The import', schema: importSchema, example: EXAMPLE } },
    problems: ['not_found', 'kv_unavailable'],
    handle: async (call) => {
      const record = await find(parts, call);
      return { status: 200, json: await viewOf(parts, call, record) };
    },
  });
}

async function viewOf(parts: ImportRouteParts, call: RawCall, record: JobRecord) {
  const errors = await parts.jobs.errorsOf(record);
  const isHidden = record.created_by !== call.principal.key_id && parts.isMasked(call);
  return importView(record, errors.slice(0, LISTED_ERRORS), isHidden);
}

function eventsRoute(parts: ImportRouteParts): Route {
  return route({
    id: 'ordersImportEvents',
    method: 'GET',
    path: '/orders/bulk/import/{importId}/events',
    tag: 'Orders',
    face: ORDERS,
    summary: 'Follow an import: server-sent events, or a WebSocket',
    description:
      'Each event has the import as it then is, without its errors; the last one is named by its final status. A ' +
      'WebSocket to the same path, with the same authorization, gets the data of each as a message.',
    permission: 'jobs:read',
    params,
    answers: {
      200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
    },
    problems: ['not_found', 'too_many_streams', 'kv_unavailable'],
    handle: async (call): Promise<Answer> => {
      const record = await find(parts, call);
      const follow = (signal: AbortSignal): AsyncGenerator<ServerEvent> =>
        changes(parts.jobs, record, signal);
      return {
        status: 200,
        headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
        stream: parts.streams.stream(call.principal.key_id, follow),
      };
    },
  });
}

async function* changes(jobs: Jobs, job: JobRecord, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  for await (const { record, revision } of jobs.follow(job, signal)) {
    const event = isFinished(record) ? record.status : 'progress';
    yield { event, id: String(revision), data: importView(record, [], false) };
  }
}

function cancelRoute(parts: ImportRouteParts): Route {
  return route({
    id: 'ordersImportCancel',
    method: 'POST',
    path: '/orders/bulk/import/{importId}/cancel',
    tag: 'Orders',
    face: ORDERS,
    summary: 'Cancel an import',
    description: 'It stops between two chunks. What was imported before stays.',
    permission: 'jobs:cancel',
    params,
    answers: { 200: { description: 'The import', schema: importSchema, example: EXAMPLE } },
    problems: ['not_found', 'wrong_state', 'kv_unavailable'],
    handle: async (call) => {
      const record = await find(parts, call);
      requireOwn(call.principal, record);
      const now = await parts.jobs.cancel(call.tenant, record.job_id);
      return { status: 200, json: await viewOf(parts, call, now) };
    },
  });
}

/** A job as this API shows it. */
function importView(record: JobRecord, errors: readonly JobItemError[], isHidden: boolean) {
  const { job_id, status, input, progress, counts, result, error } = record;
  // The input of a job that is over is gone; its result says it, too.
  const { filename = null, source = null } = Object(input ?? result) as Partial<ImportInput>;
  const { done, total } = progress;
  const count = (name: string): number => counts[name] ?? 0;
  const { position = null } = Object(result) as { readonly position?: unknown };
  return {
    ...{ import_id: job_id, status, filename, source },
    progress: {
      ...{ processed_rows: done, total_rows: total },
      percent: total === null || total === 0 ? null : Math.floor((1_000 * done) / total) / 10,
    },
    ...{ created: count('created'), updated: count('updated'), unchanged: count('unchanged') },
    ...{ superseded: count('superseded'), rejected: count('rejected'), resumed: isResumed(record) },
    errors: errors.map(({ line, event_id, reason }) => ({
      line,
      order_number: event_id,
      message: isHidden ? `${reason.split(':', 1)[0]}: ${MASK}` : reason,
    })),
    ...{ error, position, created_at: timeText(record.created_at_ms) },
    ...{
      started_at: timeTextOrNull(record.started_at_ms),
      finished_at: timeTextOrNull(record.finished_at_ms),
    },
  };
}
