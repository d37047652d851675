import { setImmediate as yieldTurn } from 'node:timers/promises';
import { type KpiQuery, OwnMetrics } from '../../../analytics/index.ts';
import { asMillraceError } from '../../../engine/index.ts';
import {
  type AnswerTable,
  type JobOutcome,
  openTableFile,
  type RunningJob,
  type TableFileWriter,
} from '../../../runtime/index.ts';
import { analyticsOf, dimensionsIn, runQuery, wishOf } from '../../answers/index.ts';
import { type Principal, positionOf } from '../../http/index.ts';
import { answerTable, kpiRows } from '../../tables/index.ts';
import { patiently } from '../jobs/index.ts';
import type { FamilyAsker, JsonAnswer } from '../queries/index.ts';
import { ExportFile } from './export-file.ts';
import { type ExportParts, fileName, isPacked } from './export-parts.ts';
import type { ExportInput } from './export-request.ts';
import { requireWhole, type Seam, seamRows } from './seam.ts';

/** Rows between two turns of everything else in this thread. */
const ROWS_A_TURN = 200;
const QUERY_DEADLINE_MS = 600_000;
/** Customers of one page of an answer that has pages, whatever the query asks for a page. */
const PAGE_ROWS = 1_000;

/** Families whose answers have pages. */
const PAGED: ReadonlySet<string> = new Set(['rfm', 'ltv']);

/** A KPI answer as a file, or what changed of it. */
export async function exportKpis(
  parts: ExportParts,
  job: RunningJob,
  input: ExportInput & { readonly of: 'kpis' },
): Promise<JobOutcome> {
  job.advance({ done: 0, total: 1, unit: 'queries' });
  const { query, seam } = input;
  if (seam !== undefined) return exportSeam(parts, job, input, seam);
  const { table, answer, state } = await askKpis(parts, job, query);
  const { truncated, warnings, approximate } = answer;
  const position = positionOf(state.freshness.sequence, state.progress?.incarnation);
  const facts = { truncated, warnings, approximate, position };
  return writeTables(parts, job, input, { first: table, next: () => Promise.resolve(undefined), facts });
}

/** The rows of a KPI answer. */
export async function askKpis({ answers }: Pick<ExportParts, 'answers'>, job: RunningJob, query: KpiQuery) {
  const { queries } = analyticsOf(answers.ports.settings);
  const { signal, record } = job;
  const asker = { request: { signal }, tenant: record.tenant, principal: { key_id: record.created_by } };
  const { answer, state } = await patiently({ signal, clock: answers.ports.clock }, () =>
    runQuery(answers, asker, queries.kpis, query, {
      wish: wishOf(query),
      deadline_ms: QUERY_DEADLINE_MS,
    }),
  );
  const own = answers.tenants?.metricsOf(record.tenant, query.metrics) ?? [];
  return { table: kpiRows(query, answer, new OwnMetrics(own)), answer, state };
}

/** Codes of a position that no answer can be given of any more. */
const GONE = new Set(['position_unknown', 'position_ahead', 'behind_retention']);

/** What changed of a KPI answer between two positions: the same whenever it is asked for. */
export async function changedKpis(
  parts: Pick<ExportParts, 'answers'>,
  job: RunningJob,
  query: KpiQuery,
  seam: Seam,
): Promise<{ readonly table: AnswerTable; readonly facts: object }> {
  const { table: now, answer, state } = await askKpis(parts, job, { ...query, as_of: seam.to });
  requireWhole(answer);
  const { after } = seam;
  const before =
    after === null
      ? undefined
      : await askKpis(parts, job, { ...query, as_of: after.position }).catch((error: unknown) => {
          if (GONE.has(asMillraceError(error).code)) return undefined;
          throw error;
        });
  if (before !== undefined) requireWhole(before.answer);
  const metrics = new Set(query.metrics);
  const known: Seam = before === undefined ? { ...seam, after: null } : seam;
  const table = seamRows({ before: before?.table, now, seam: known, metrics });
  const { warnings, approximate } = answer;
  const made = {
    of: seam.of,
    from: known.after?.position ?? null,
    to: seam.to,
    end_ms: Date.parse(query.end),
    complete_until_ms: state.watermark_ms,
  };
  return { table, facts: { truncated: false, warnings, approximate, position: seam.to, seam: made } };
}

async function exportSeam(
  parts: ExportParts,
  job: RunningJob,
  input: ExportInput & { readonly of: 'kpis' },
  seam: Seam,
): Promise<JobOutcome> {
  const { table, facts } = await changedKpis(parts, job, input.query, seam);
  return writeTables(parts, job, input, { first: table, next: () => Promise.resolve(undefined), facts });
}

/** An answer of any other family as a file, all its pages as of one position. */
export async function exportFamily(
  parts: ExportParts,
  job: RunningJob,
  input: ExportInput & { readonly of: 'family' },
): Promise<JobOutcome> {
  const { families, answers } = parts;
  const { signal } = job;
  const { type, query } = input;
  const asker = askerOf(parts, job, input);
  const isPaged = PAGED.has(type);
  const ask = (more: Readonly<Record<string, unknown>>): Promise<JsonAnswer> =>
    patiently({ signal, clock: answers.ports.clock }, () => {
      const page = isPaged ? { ...query, limit: PAGE_ROWS, ...more } : query;
      // Its range was resolved when the job was made.
      return families.ask(asker, families.resolve(asker.tenant, { type, query: page }, {}, 0));
    });
  job.advance({ done: 0, total: null, unit: 'queries' });
  const found = await ask({});
  const groupBy = Array.isArray(query.group_by) ? query.group_by.map(String) : [];
  const { warnings, approximate, position = null } = (found.meta ?? {}) as JsonAnswer;
  let cursor = found.next_cursor;
  const next = async (): Promise<AnswerTable | undefined> => {
    if (typeof cursor !== 'string') return undefined;
    // The cursor says as of which position.
    const page = await ask({ cursor });
    cursor = page.next_cursor;
    return answerTable(type as TableFamily, page, groupBy);
  };
  const facts = { truncated: found.truncated === true, warnings, approximate, position };
  return writeTables(parts, job, input, {
    first: answerTable(type as TableFamily, found, groupBy),
    next,
    facts,
  });
}
type TableFamily = Parameters<typeof answerTable>[0];

/** Whoever asked for it, with what they might do then. */
function askerOf(
  { answers }: ExportParts,
  { record, signal }: RunningJob,
  { permissions }: ExportInput & { readonly of: 'family' },
): FamilyAsker {
  const { tenant, created_by, job_id } = record;
  const principal: Principal = {
    ...{ kind: 'api_key', key_id: created_by, name: job_id, role: 'analyst', permissions },
    ...{ scopes: null, rate_limit: null, tenant, tenants: 'own', expires_at_ms: null },
  };
  return {
    request_id: job_id,
    principal,
    tenant,
    base: '/v1/order-analytics',
    log: answers.ports.log,
    signal,
  };
}

interface Tables {
  readonly first: AnswerTable;
  next(): Promise<AnswerTable | undefined>;
  readonly facts: object;
}

/** Writes tables behind one another into the file of a job. */
export async function writeTables(
  { files, answers }: ExportParts,
  job: RunningJob,
  input: ExportInput & { readonly of: 'kpis' | 'family' },
  { first, next, facts }: Tables,
): Promise<JobOutcome> {
  const name = fileName(job, input);
  const { signal, record } = job;
  const file = await ExportFile.open(files, name, { from: undefined, isPacked: isPacked(input) });
  let writer: TableFileWriter | undefined;
  try {
    writer = await openTableFile(input.format, first.columns, file);
    let rows = 0;
    for (let table: AnswerTable | undefined = first; table !== undefined; table = await next()) {
      for (const cells of table.rows) {
        if (++rows % ROWS_A_TURN === 0) await yieldTurn();
        signal.throwIfAborted();
        await writer.write(cells);
      }
      job.advance({ done: rows, total: null, unit: 'rows', counts: { rows } });
    }
    await writer.finish();
    const canSeeAll = input.of === 'kpis' || input.permissions.includes('events:unmasked');
    const masked = canSeeAll ? null : [...(answers.tenants?.maskedOf(record.tenant) ?? [])];
    const shows = { masked, dimensions: [...dimensionsIn(input.query)] };
    const written = { ...(await file.finish(writer.media_type)), shows };
    job.advance({ done: rows, total: rows, unit: 'rows', counts: { rows } });
    return { result: { rows, ...facts }, file: written };
  } catch (error) {
    await files.remove(name);
    throw error;
  } finally {
    await writer?.close();
    await file.close();
  }
}
