import type { GatheredAnswer, PartRequest, RefusedQuery, RowPlace, TableQuery } from '../../engine/index.ts';
import { ApiError, timeText, timeTextOrNull } from '../http/index.ts';
import { type Place, queryOf } from './table-query.ts';
import { type Asked, problem, type TableAnswer } from './tables.ts';

/** How long partitions are waited for where the client does not say, ms. */
const TIMEOUT_MS = 2_000;

export interface AskedOfAll extends Omit<Asked, 'reader'> {
  readonly ask: (request: PartRequest, timeout_ms?: number) => Promise<GatheredAnswer | RefusedQuery>;
}

/** Answers from all partitions. Throws 422, and 503 where not all of them have answered: no rows are left out silently. */
export async function gatherTable({ ask, table, params, cursors }: AskedOfAll): Promise<TableAnswer> {
  const { cursor, limit: _, wait_ms, min_position, ...filter } = params;
  const listing = { table: table.id, ...filter };
  const place = cursor === undefined ? undefined : (cursors.decode(listing, cursor) as Place);
  const query = queryOf(table.by, params, place);
  const request: PartRequest = {
    table: table.id,
    query,
    ...(params.scope === undefined ? {} : { scope: params.scope }),
    ...(min_position === undefined ? {} : { position: min_position }),
  };
  const answer = await ask(request, Math.max(TIMEOUT_MS, wait_ms));
  if (!answer.ok) throw problem(answer);
  const [missing] = answer.missing;
  if (missing !== undefined) {
    const partitions = answer.missing.map(({ partition }) => partition).join(', ');
    const code = missing.reason === 'not_up_to_bound' ? 'position_unmet' : 'state_not_ready';
    throw new ApiError(code, `Partitions ${partitions} have not answered: ${missing.message}`, {
      retryAfter_s: 1,
    });
  }
  const parts = answer.parts.map(({ watermark_ms, ...part }) => ({
    ...part,
    watermark: timeTextOrNull(watermark_ms),
  }));
  const head = { table: table.name, parts, watermark: timeTextOrNull(answer.watermark_ms) };
  if (query.kind === 'key') {
    const [row] = answer.rows;
    return { found: row !== undefined, json: { ...head, key: query.key, value: row?.value } };
  }
  const values = answer.rows.map(({ key, start_ms, end_ms, value }) =>
    start_ms === undefined || end_ms === undefined
      ? { key, value }
      : { key, start: timeText(start_ms), end: timeText(end_ms), value },
  );
  const next = answer.next === undefined ? null : cursors.encode(listing, placeOf(query, answer.next));
  return { found: true, json: { ...head, values, next_cursor: next } };
}

function placeOf({ kind }: TableQuery, { key, start_ms = 0, end_ms = 0 }: RowPlace): Place {
  if (kind === 'window') return { kind: 'time', at_ms: start_ms, end_ms };
  if (kind === 'windows') return { kind: 'window', at: { key, start_ms, end_ms } };
  return { kind: 'key', at: key };
}
