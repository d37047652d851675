import { z } from 'zod';
import { MAX_QUERY_ROWS, type Position, type TableQuery, type WindowKey } from '../../engine/index.ts';
import { ApiError, invalid } from '../http/index.ts';

const DEFAULT_LIMIT_ROWS = 100;
/** How long a request waits for its position when it does not say, ms. */
const DEFAULT_WAIT_MS = 2_000;
const MAX_WAIT_MS = 10_000;
/** Behind the last window that a table can have. */
const TIME_END_MS = 2 ** 48 - 1;

const time = z.string().transform((text, context) => {
  const ms = /^-?\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(ms)) return ms;
  context.addIssue('must be a time such as 2026-01-31T12:00:00Z, or whole ms since 1970');
  return z.NEVER;
});
const whole = (min: number, max: number) => z.coerce.number().pipe(z.int().min(min).max(max));

const positionSchema = z.record(z.string(), z.record(z.string(), z.int().min(0)));
const position = z.string().transform((text, context): Position => {
  const parsed = positionSchema.safeParse(text.startsWith('{') ? jsonOf(text) : shortPosition(text));
  if (parsed.success) return parsed.data;
  context.addIssue('must be STREAM:SEQUENCE, several with commas, or a position as answers have it');
  return z.NEVER;
});

/** What may be asked of a table. */
const tableParams = z.strictObject({
  key: z.string().optional(),
  prefix: z.string().optional(),
  from: z.string().optional(),
  to: z.string().optional(),
  start: time.optional(),
  end: time.optional(),
  reverse: z.enum(['true', 'false']).default('false'),
  limit: whole(1, MAX_QUERY_ROWS).default(DEFAULT_LIMIT_ROWS),
  cursor: z.string().optional(),
  scope: z.string().optional(),
  min_position: position.optional(),
  wait_ms: whole(0, MAX_WAIT_MS).default(DEFAULT_WAIT_MS),
});
export type TableParams = z.output<typeof tableParams>;

/** The parameters of a request. Throws 422 for one that is unknown, given twice, or makes no sense. */
export function tableParamsOf(search: URLSearchParams): TableParams {
  const twice = [...new Set(search.keys())].find((name) => search.getAll(name).length > 1);
  if (twice !== undefined) throw new ApiError('validation_failed', `Give the parameter "${twice}" once.`);
  const parsed = tableParams.safeParse(Object.fromEntries(search));
  if (!parsed.success) throw invalid(parsed.error, 'A query parameter');
  return parsed.data;
}

/** How the rows of a table lie: by key, or by key and window. */
export type RowsBy = 'key' | 'window';

/** Where a listing goes on. */
export type Place =
  | { readonly kind: 'key'; readonly at: string }
  | { readonly kind: 'time'; readonly at_ms: number; readonly end_ms: number }
  | { readonly kind: 'window'; readonly at: WindowKey };

/** The query that the parameters ask for. Throws 422 where they do not go with the table or with each other. */
export function queryOf(by: RowsBy, params: TableParams, place: Place | undefined): TableQuery {
  return by === 'key' ? keyedQuery(params, place) : windowedQuery(params, place);
}

function keyedQuery(params: TableParams, place: Place | undefined): TableQuery {
  const { key, prefix, from, to, start, end, limit } = params;
  if (start !== undefined || end !== undefined)
    throw notFor('start and end', 'windows, and this one has none');
  if (key !== undefined) {
    if (prefix !== undefined || from !== undefined || to !== undefined) {
      throw notFor('prefix, from and to', 'many keys: leave key out');
    }
    return { kind: 'key', key };
  }
  const reverse = params.reverse === 'true';
  const at = place?.kind === 'key' ? place.at : undefined;
  const bounds = {
    ...optional('from', reverse ? from : (at ?? from)),
    ...optional('to', reverse ? (at ?? to) : to),
  };
  const common = { ...bounds, limit, reverse };
  return prefix === undefined ? { kind: 'range', ...common } : { kind: 'prefix', prefix, ...common };
}

function windowedQuery(params: TableParams, place: Place | undefined): TableQuery {
  const { key, prefix, from, to, start = 0, end = TIME_END_MS, limit } = params;
  if (prefix !== undefined || from !== undefined || to !== undefined) {
    throw notFor('prefix, from and to', 'tables by key; this one is by window: give key, start and end');
  }
  const reverse = params.reverse === 'true';
  if (key === undefined) {
    const at = place?.kind === 'window' ? place.at : undefined;
    const bound = at === undefined ? {} : reverse ? { to: at } : { from: at };
    return { kind: 'windows', start_ms: start, end_ms: end, ...bound, limit, reverse };
  }
  const at = place?.kind === 'time' ? place : undefined;
  if (at === undefined) return { kind: 'window', key, start_ms: start, end_ms: end, limit, reverse };
  return reverse
    ? { kind: 'window', key, start_ms: start, end_ms: at.at_ms, before_end_ms: at.end_ms, limit, reverse }
    : { kind: 'window', key, start_ms: at.at_ms, end_ms: end, first_end_ms: at.end_ms, limit, reverse };
}

const optional = <N extends string>(name: N, value: string | undefined): Partial<Record<N, string>> =>
  value === undefined ? {} : ({ [name]: value } as Partial<Record<N, string>>);

const notFor = (what: string, whom: string): ApiError =>
  new ApiError('validation_failed', `The parameters ${what} are for ${whom}.`);

function shortPosition(text: string): unknown {
  const parts = text.split(',').map((part) => /^([A-Za-z0-9_-]+):(\d+)$/.exec(part.trim()));
  if (parts.some((part) => part === null)) return undefined;
  return Object.fromEntries(parts.map((part) => [part?.[1] ?? '', { 0: Number(part?.[2]) }]));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not a position either: said by the caller.
    return undefined;
  }
}
