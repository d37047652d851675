import type { Position } from '../edges/index.ts';
import type { QueryableTable, TableQuery } from './interactive.ts';

/** Rows that one query may ask for, at most. */
export const MAX_QUERY_ROWS = 10_000;

interface Members {
  /** Those that must be strings, and those that are strings where they are there. */
  readonly texts: readonly string[];
  readonly mayTexts: readonly string[];
  /** The same of times. */
  readonly times: readonly string[];
  readonly mayTimes: readonly string[];
  /** Windows, where they are there. */
  readonly mayWindows: readonly string[];
  readonly limit: 'must' | 'may' | 'none';
}

const NONE: Members = { texts: [], mayTexts: [], times: [], mayTimes: [], mayWindows: [], limit: 'must' };
const MEMBERS: Readonly<Record<TableQuery['kind'], Members>> = {
  key: { ...NONE, texts: ['key'], limit: 'none' },
  range: { ...NONE, mayTexts: ['from', 'to'] },
  prefix: { ...NONE, texts: ['prefix'], mayTexts: ['from', 'to'] },
  window: {
    ...NONE,
    texts: ['key'],
    times: ['start_ms', 'end_ms'],
    mayTimes: ['first_end_ms', 'before_end_ms'],
    limit: 'may',
  },
  windows: { ...NONE, times: ['start_ms', 'end_ms'], mayWindows: ['from', 'to'] },
};

/** Whether there are such queries. */
export function isKind(kind: unknown): kind is TableQuery['kind'] {
  return typeof kind === 'string' && Object.hasOwn(MEMBERS, kind);
}

/** The greatest time that a row's key holds, ms. */
const LAST_TIME_MS = 2 ** 48 - 1;

type Untyped = Readonly<Record<string, unknown>>;

/** What of a query of a known kind makes no sense: it may have come over a network, whatever its type says. */
export function wrongIn(query: TableQuery): string | undefined {
  const { texts, mayTexts, times, mayTimes, mayWindows, limit } = MEMBERS[query.kind];
  const members: Untyped = { ...query };
  const given = (names: readonly string[]): readonly string[] =>
    names.filter((name) => members[name] !== undefined);
  const notText = [...texts, ...given(mayTexts)].find((name) => typeof members[name] !== 'string');
  if (notText !== undefined) return `"${notText}" must be a string.`;
  const notTime = [...times, ...given(mayTimes)].find((name) => !isTime(members[name]));
  if (notTime !== undefined) return `"${notTime}" must be ${TIME_RULE}.`;
  const notWindow = given(mayWindows).find((name) => !isWindow(members[name]));
  if (notWindow !== undefined) {
    return `"${notWindow}" must be a window: a key, a start_ms and an end_ms, each ${TIME_RULE}.`;
  }
  if (limit === 'none') return undefined;
  const isLimited = members.limit !== undefined || limit === 'must';
  if (isLimited && !isLimit(members.limit)) return `The limit must be 1 to ${MAX_QUERY_ROWS} rows.`;
  const { reverse = false } = members;
  return typeof reverse === 'boolean' ? undefined : '"reverse" must be true or false.';
}

const TIME_RULE = `whole ms since 1970, up to ${LAST_TIME_MS}`;

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LAST_TIME_MS;
}

function isLimit(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_QUERY_ROWS;
}

function isWindow(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { key, start_ms, end_ms }: Untyped = { ...value };
  return typeof key === 'string' && isTime(start_ms) && isTime(end_ms);
}

/** What of a table's name makes no sense, whatever its type says. */
export function wrongInTable(table: QueryableTable<unknown>): string | undefined {
  if (!isObject(table)) return 'A table is an id or an object with one.';
  const { id, scope, version }: Untyped = { ...table };
  if (typeof id !== 'string') return 'The "id" of a table must be a string.';
  if (scope !== undefined && typeof scope !== 'string') return 'The "scope" of a table must be a string.';
  if (version === undefined || Number.isSafeInteger(version)) return undefined;
  return 'The "version" of a table must be a whole number.';
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** A sequence for each partition of each stream. */
export function isPosition(bound: unknown): bound is Position {
  return isRecord(bound) && Object.values(bound).every(isPartitions);
}

function isPartitions(partitions: unknown): boolean {
  return isRecord(partitions) && Object.values(partitions).every((it) => Number.isInteger(it));
}

function isRecord(value: unknown): value is object {
  return isObject(value) && !Array.isArray(value);
}
