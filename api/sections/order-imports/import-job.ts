import { z } from 'zod';
import { asMillraceError, MillraceError } from '../../../engine/index.ts';
import type { JobItemError, JobKind, RunningJob } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { type ApiPorts, positionOf } from '../../http/index.ts';
import type { TenantFields } from '../../tenants/index.ts';
import { checkAll, prepare, type Spool, timeLimits } from '../ingest/index.ts';
import { patiently } from '../jobs/index.ts';
import { csvRows } from './import-csv.ts';
import { type EventsOfOrder, eventsOf, knownOrders } from './import-events.ts';
import { type FieldTypeOf, type ImportedOrder, importRow } from './import-row.ts';

export const IMPORT_JOB = 'order_import';
/** Rows that are looked up and published together; a job stops between two chunks. */
export const CHUNK_ROWS = 500;

export const importInputSchema = z.object({
  /** Where the CSV lies in the upload. */
  start_byte: z.int(),
  end_byte: z.int(),
  source: z.string(),
  /** Of rows without one. */
  currency: z.string().optional(),
  filename: z.string().nullable(),
});
export type ImportInput = z.output<typeof importInputSchema>;

/** How far a file is imported. */
const stateSchema = z.object({
  ...{ rows: z.number().default(0), created: z.number().default(0), updated: z.number().default(0) },
  ...{ unchanged: z.number().default(0), superseded: z.number().default(0), rejected: z.number().default(0) },
  events: z.number().default(0),
  /** Last sequence that was stored; 0 before the first. */
  sequence: z.number().default(0),
  incarnation: z.string().exactOptional(),
});
type ImportState = z.output<typeof stateSchema>;

export interface ImportParts {
  readonly ports: ApiPorts;
  readonly answers: AnswerParts;
  readonly spool: Spool;
  readonly fields: () => TenantFields;
}

/**
 * Imports a CSV file of orders, chunk by chunk. Of rows of one order the last counts. What an order is already makes no
 * event, so a file that is imported again, or a chunk that is repeated after a crash, changes nothing.
 */
export function importKind(parts: ImportParts): JobKind {
  return {
    type: IMPORT_JOB,
    lane: 'ingest',
    dispose: ({ job_id }) => parts.spool.remove(job_id),
    run: async (job) => {
      const input = importInputSchema.parse(job.record.input);
      const file = new ImportFile(parts, job, input);
      const { last, rows: total } = await file.lastRows();
      let at = stateSchema.parse(job.record.state ?? {});
      const step = (errors: readonly JobItemError[]): void => {
        const { rows, sequence: _, incarnation: __, ...counts } = at;
        const progress = { done: rows, total, unit: 'rows' };
        job.advance({ ...progress, state: at, counts, errors, result: resultOf(input, at) });
      };
      step([]);
      let isFirst = true;
      for await (const chunk of file.chunks(at.rows)) {
        job.signal.throwIfAborted();
        const done = await importChunk(parts, job, input, chunk, { last, isFirst });
        at = {
          rows: at.rows + chunk.length,
          created: at.created + done.created,
          updated: at.updated + done.updated,
          unchanged: at.unchanged + done.unchanged,
          superseded: at.superseded + done.superseded,
          rejected: at.rejected + done.errors.length,
          events: at.events + done.events,
          sequence: Math.max(at.sequence, done.sequence),
          ...(done.incarnation === undefined
            ? at.incarnation === undefined
              ? {}
              : { incarnation: at.incarnation }
            : { incarnation: done.incarnation }),
        };
        isFirst = false;
        step(done.errors);
      }
      job.signal.throwIfAborted();
      if (at.rejected === total) throw nothingImported(total);
      return { result: resultOf(input, at) };
    },
  };
}

/** What is known of it when its input is gone. */
function resultOf({ source, filename }: ImportInput, { sequence, incarnation }: ImportState) {
  return { source, filename, position: sequence === 0 ? null : positionOf(sequence, incarnation) };
}

interface NumberedRow {
  readonly line: number;
  /** From 0. */
  readonly row: number;
  readonly made: ReturnType<typeof importRow>;
}

/** The CSV of an upload. It is read twice: to know the last row of each order, and to import. */
class ImportFile {
  readonly #parts: ImportParts;
  readonly #job: RunningJob;
  readonly #input: ImportInput;
  readonly #typeOf: FieldTypeOf;

  constructor(parts: ImportParts, job: RunningJob, input: ImportInput) {
    this.#parts = parts;
    this.#job = job;
    this.#input = input;
    const { definitions } = parts.fields();
    this.#typeOf = (key) => definitions.byName(job.record.tenant, key)?.body.field_type;
  }

  /** The last good row of each order. */
  async lastRows(): Promise<{ readonly last: ReadonlyMap<string, number>; readonly rows: number }> {
    const last = new Map<string, number>();
    let rows = 0;
    for await (const { row, made } of this.#rows()) {
      if (made.ok) last.set(made.order.order_number, row);
      rows = row + 1;
      if (rows % CHUNK_ROWS === 0) this.#job.signal.throwIfAborted();
    }
    return { last, rows };
  }

  async *chunks(from: number): AsyncGenerator<readonly NumberedRow[]> {
    let chunk: NumberedRow[] = [];
    for await (const one of this.#rows()) {
      if (one.row < from) continue;
      chunk.push(one);
      if (chunk.length < CHUNK_ROWS) continue;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }

  async *#rows(): AsyncGenerator<NumberedRow> {
    const { start_byte, end_byte, currency } = this.#input;
    const bytes = this.#parts.spool.bytes(this.#job.record.job_id, start_byte, end_byte);
    let row = 0;
    try {
      for await (const { line, record } of csvRows(bytes))
        yield { line, row: row++, made: importRow(record, currency, this.#typeOf) };
    } catch (error) {
      if (asMillraceError(error).message.includes('ENOENT')) throw uploadMissing(error);
      throw error;
    }
  }
}

interface ChunkDone {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly superseded: number;
  readonly errors: readonly JobItemError[];
  readonly events: number;
  readonly sequence: number;
  readonly incarnation: string | undefined;
}

async function importChunk(
  parts: ImportParts,
  job: RunningJob,
  { source }: ImportInput,
  chunk: readonly NumberedRow[],
  { last, isFirst }: { readonly last: ReadonlyMap<string, number>; readonly isFirst: boolean },
): Promise<ChunkDone> {
  const { ports } = parts;
  const { tenant, created_at_ms } = job.record;
  const errors: JobItemError[] = [];
  const orders: { readonly line: number; readonly order: ImportedOrder }[] = [];
  let superseded = 0;
  for (const { line, row, made } of chunk) {
    if (!made.ok) errors.push({ line, event_id: made.order_number, reason: made.reason });
    else if (last.get(made.order.order_number) === row) orders.push({ line, order: made.order });
    else superseded++;
  }
  const wait = { signal: job.signal, clock: ports.clock };
  const known = await patiently(wait, () =>
    knownOrders(
      parts.answers,
      job,
      orders.map(({ order }) => order.order_number),
      isFirst,
    ),
  );
  const made = orders.map(({ line, order }) => ({
    ...{ line, order },
    ...eventsOf(order, known.get(order.order_number), { source, at_ms: created_at_ms }),
  }));
  const { good, refused } = await checked(ports, tenant, made);
  errors.push(...refused);
  const messages = good.flatMap((one) => one.messages);
  const { sequences = [], incarnation } =
    messages.length === 0 ? {} : await patiently(wait, () => ports.events.publishAll(messages));
  const count = (change: EventsOfOrder['change']): number =>
    good.filter((one) => one.change === change).length;
  return {
    ...{ created: count('created'), updated: count('updated'), unchanged: count('unchanged'), superseded },
    errors: errors.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    events: messages.length,
    sequence: sequences.reduce((a, b) => Math.max(a, b), 0),
    incarnation,
  };
}

/** The orders all of whose events the check of `POST /ingest` takes, with their messages. */
async function checked(
  ports: ApiPorts,
  tenant: string,
  made: readonly (EventsOfOrder & { readonly line: number; readonly order: ImportedOrder })[],
) {
  const encoder = new TextEncoder();
  const bodies = made.flatMap(({ events }) =>
    events.map((event) => ({ ok: true, bytes: encoder.encode(JSON.stringify(event)) }) as const),
  );
  const checks = await checkAll({ events: bodies, whole: false }, timeLimits(ports, tenant), tenant);
  const good: (EventsOfOrder & { readonly messages: ReturnType<typeof prepare>['messages'] })[] = [];
  const refused: JobItemError[] = [];
  let from = 0;
  for (const { line, order, ...one } of made) {
    const { messages, rejected } = prepare(tenant, checks.slice(from, from + one.events.length));
    from += one.events.length;
    const [why] = rejected;
    if (why === undefined) good.push({ ...one, messages });
    else refused.push({ line, event_id: order.order_number, reason: why.reason });
  }
  return { good, refused };
}

const uploadMissing = (cause: unknown): MillraceError =>
  new MillraceError('upload_missing', 'The upload is not on the disk any more. Upload the file again.', {
    cause,
  });

const nothingImported = (rows: number): MillraceError =>
  new MillraceError('nothing_accepted', `None of the ${rows} rows could be imported: see the errors.`);
