import { setImmediate as yieldTurn } from 'node:timers/promises';
import { z } from 'zod';
import { type FoundPage, findEvents, firstSelection } from '../../../analytics/index.ts';
import {
  isText,
  type JobKind,
  type JobOutcome,
  openTableFile,
  type RunningJob,
  rowText,
  type TableFileWriter,
} from '../../../runtime/index.ts';
import { analyticsOf, PiiMask } from '../../answers/index.ts';
import { positionOf } from '../../http/index.ts';
import { askedBySearch, keptWarning } from '../events/index.ts';
import { patiently } from '../jobs/index.ts';
import { eventColumns, eventRow, typedEventColumns } from './event-rows.ts';
import { exportFamily, exportKpis } from './export-answers.ts';
import { deliver } from './export-delivery.ts';
import { ExportFile } from './export-file.ts';
import { type ExportParts, fileName, isPacked } from './export-parts.ts';
import { type EventsQuery, type ExportInput, searchOf } from './export-request.ts';

export const EXPORT_JOB = 'export';
/** Two pages are in memory; a page costs a look at each row of its day. */
const PAGE_EVENTS = 4_000;
/** Payloads that one page reads at most; the next one goes on. */
const PAGE_PAYLOADS = 200_000;
/** Rows between two turns of everything else in this thread. */
const ROWS_A_TURN = 200;

/** How far an export of events is: what its file holds, and behind which event it goes on. */
const stateSchema = z.object({
  name: z.string(),
  size_bytes: z.number(),
  rows: z.number(),
  /** Rows of the log that lie before the place. Jobs of former versions have none. */
  passed: z.number().exactOptional(),
  payloads_missing: z.number(),
  /** The position that the export sees the events at, and which stream of that name it is of. */
  upTo: z.number(),
  incarnation: z.string().exactOptional(),
  after: z.object({ time_ms: z.number(), sequence: z.number(), part: z.number() }).nullable(),
  /** Of the file's head; jobs of former versions have none. */
  columns: z.array(z.string()).exactOptional(),
});
type State = z.infer<typeof stateSchema>;

/**
 * Writes what a query finds into a file: events page by page, as of one position, so that a restart goes on behind
 * the last page; a KPI answer at once. On another disk it begins anew, and gives the same rows.
 */
export function exportKind(parts: ExportParts): JobKind {
  return {
    type: EXPORT_JOB,
    lane: 'export',
    run: async (job) => {
      const input = job.record.input as ExportInput;
      return deliver(parts, job, input, await written(parts, job, input));
    },
  };
}

function written(parts: ExportParts, job: RunningJob, input: ExportInput): Promise<JobOutcome> {
  if (input.of === 'kpis') return exportKpis(parts, job, input);
  if (input.of === 'family') return exportFamily(parts, job, input);
  return exportEvents(parts, job, input);
}

async function exportEvents(
  parts: ExportParts,
  job: RunningJob,
  input: ExportInput & { readonly of: 'events' },
): Promise<JobOutcome> {
  const { custom } = analyticsOf(parts.answers.ports.settings);
  const known = stateSchema.safeParse(job.record.state).data;
  const { tenants } = parts.answers;
  const seen = custom.filter((name) => tenants?.dimensions.sees(job.record.tenant, name) ?? true);
  const columns = known?.columns ?? eventColumns(seen);
  const { format } = input;
  // A file of another form cannot be gone on with: it begins anew.
  const from = isText(format) ? known : undefined;
  const mask = new PiiMask(input.masked ?? []);
  const file = await ExportFile.open(parts.files, fileName(job, input), {
    from,
    isPacked: isPacked(input),
  });
  const { media_type, write, finish, close } = await eventWriter(
    format,
    columns,
    file,
    from !== undefined && file.mark.size_bytes > 0,
  );
  try {
    const pages = await EventPages.open(parts, job, input.query, mask, known);
    const before = from !== undefined && file.mark.size_bytes > 0 ? from : undefined;
    let at: State =
      before !== undefined
        ? { ...before, ...file.mark }
        : {
            ...file.mark,
            rows: 0,
            passed: 0,
            payloads_missing: 0,
            ...pages.place,
            after: null,
            columns: [...columns],
          };
    const rowOf = eventRow(columns, mask);
    // A state is kept behind a page: one that says no place to go on from is that of the last one.
    const isWhole = before !== undefined && before.after === null;
    for await (const { events, next, scanned, left } of isWhole ? [] : pages.from(at.after)) {
      for (const [index, event] of events.entries()) {
        if (index % ROWS_A_TURN === ROWS_A_TURN - 1) await yieldTurn();
        await write(rowOf(event));
      }
      const rows = at.rows + events.length;
      at = {
        ...(await file.flush()),
        rows,
        passed: Math.min(pages.total, Math.max(at.passed ?? 0, pages.total - left, rows)),
        payloads_missing: at.payloads_missing + scanned.payloads_missing,
        upTo: at.upTo,
        ...(at.incarnation === undefined ? {} : { incarnation: at.incarnation }),
        after: next ?? null,
        columns: [...columns],
      };
      const counts = { rows: at.rows, payloads_missing: at.payloads_missing };
      const done = at.passed ?? 0;
      job.advance({ done, total: pages.total, unit: 'log_rows', state: at, counts });
    }
    await finish();
    const { rows, payloads_missing, upTo } = at;
    const result = {
      rows,
      payloads_missing,
      warnings: pages.warnings,
      position: positionOf(upTo, at.incarnation),
    };
    const shows = { masked: [...mask.fields], dimensions: [] };
    return { result, file: { ...(await file.finish(media_type)), shows } };
  } finally {
    await close();
    await file.close();
  }
}

/** Writes rows behind those that are there. */
async function eventWriter(
  format: ExportInput['format'],
  columns: readonly string[],
  file: ExportFile,
  isGoneOn: boolean,
): Promise<TableFileWriter> {
  if (!isGoneOn || !isText(format)) {
    const writer = await openTableFile(format, typedEventColumns(columns), file);
    return {
      media_type: writer.media_type,
      write: (cells) => writer.write(cells),
      finish: () => writer.finish(),
      close: () => writer.close(),
    };
  }
  const { media_type, line } = rowText(format, columns);
  const nothing = (): Promise<void> => Promise.resolve();
  return { media_type, write: (cells) => file.write(line(cells)), finish: nothing, close: nothing };
}

/** With the rows of the log that lie behind it, about: chunks that it ends in count whole. */
interface Page extends FoundPage {
  readonly left: number;
}

/** The events of a query as of one position, page by page. */
class EventPages {
  readonly place: Pick<State, 'upTo' | 'incarnation'>;
  /** Rows of the log that lie in the range. */
  readonly total: number;
  /** What there is to say of them. */
  readonly warnings: readonly string[];
  readonly #page: (after: State['after']) => Promise<Page>;

  private constructor(
    { place, total, warnings }: Pick<EventPages, 'place' | 'total' | 'warnings'>,
    page: (after: State['after']) => Promise<Page>,
  ) {
    this.place = place;
    this.total = total;
    this.warnings = warnings;
    this.#page = page;
  }

  static async open(
    { search, answers }: ExportParts,
    job: RunningJob,
    query: EventsQuery,
    mask: PiiMask,
    known: Pick<State, 'upTo' | 'incarnation'> | undefined,
  ): Promise<EventPages> {
    const { signal, record } = job;
    const { clock } = answers.ports;
    const as_of = known === undefined ? query.as_of : positionOf(known.upTo, known.incarnation);
    const body = { ...searchOf(query), ...(as_of === undefined ? {} : { as_of }) };
    const { request, incarnation, total, warnings } = await patiently({ signal, clock }, async () => {
      const begun = await search.begin(askedBySearch({ tenant: record.tenant, mask }, body, search));
      const { selector, terms } = search.finder;
      const { explain } = await selector.plan(record.tenant, firstSelection(terms, begun.request));
      const kept_from = typeof explain.kept_from === 'string' ? explain.kept_from : undefined;
      const warnings = keptWarning(begun.request, kept_from);
      const { incarnation } = begun.snapshot.progress ?? {};
      return { request: begun.request, incarnation, total: Number(explain.rows_of_range ?? 0), warnings };
    });
    const { selector, terms } = search.finder;
    const page = (after: State['after']): Promise<Page> =>
      patiently({ signal, clock }, async () => {
        const wanted = { ...request, limit: PAGE_EVENTS, payloads_max: PAGE_PAYLOADS };
        const found = await findEvents(search.finder, after === null ? wanted : { ...wanted, after }, signal);
        if (found.next === undefined) return { ...found, left: 0 };
        // Not the rows that pages have looked at: each looks at those around it again.
        const rest = firstSelection(terms, { ...wanted, after: found.next });
        const { explain } = await selector.plan(record.tenant, rest);
        return { ...found, left: Number(explain.rows_of_range ?? 0) };
      });
    const place = { upTo: request.upTo, ...(incarnation === undefined ? {} : { incarnation }) };
    return new EventPages({ place, total, warnings }, page);
  }

  /** Those behind a place. While one is written the next one is read. */
  async *from(after: State['after']): AsyncGenerator<Page> {
    let coming: Promise<Page> | undefined = this.#page(after);
    while (coming !== undefined) {
      const page: Page = await coming;
      coming = page.next === undefined ? undefined : this.#page(page.next);
      // Its error is thrown when it is waited for, and is nobody's where it is not.
      coming?.catch(() => undefined);
      yield page;
    }
  }
}
