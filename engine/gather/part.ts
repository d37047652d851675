import type { Codec } from '../base/index.ts';
import type { Position } from '../edges/index.ts';
import { type FailedAnswer, type QueryableTable, queryTable, type TableQuery } from '../query/index.ts';
import type { KvReader } from '../state/index.ts';

/** A table query to the partitions that one process holds. Plain data: it goes over a network. */
export interface PartRequest {
  /** As `QueryableTable.id`. */
  readonly table: string;
  readonly scope?: string;
  readonly query: TableQuery;
  /** Default: all that it holds. */
  readonly partitions?: readonly string[];
  /** Each partition answers only if at least this has been applied of what it reads. */
  readonly position?: Position;
  /** Only who owns a partition answers for it, and only while it is sure that it does. */
  readonly require?: 'owner';
  /** Only a copy that has applied everything which its stream had so long ago, ms. */
  readonly max_staleness_ms?: number;
}

/** `owner` sends what comes out of the partition; a `standby` computes the same and sends nothing. */
export type PartRole = 'owner' | 'standby';

/** Why a partition's copy does not answer, beside what `queryTable` says: another copy may. */
export type PartFailure = FailedAnswer['reason'] | 'not_owner' | 'too_stale' | 'not_held' | 'not_open';

interface PartHead {
  readonly partition: string;
  readonly role: PartRole;
  /** Of the lease that the copy last held or stands by for; null where there are no leases. */
  readonly epoch: number | null;
}

export interface AnsweredPart extends PartHead {
  readonly ok: true;
  readonly position: Position;
  readonly watermark_ms: number | null;
  /** As `RowsAnswer`, `WindowRangeAnswer` or `KeyAnswer` has them. */
  readonly rows: readonly PartRow[];
  /** Rows of the partition are missing: the first of them, in reverse the last of those that are here. */
  readonly next?: RowPlace;
}

export interface FailedPart extends PartHead {
  readonly ok: false;
  readonly reason: PartFailure;
  readonly message: string;
}

export type Part = AnsweredPart | FailedPart;

/** Where a row stands in the order of an answer. */
export interface RowPlace {
  readonly key: string;
  readonly start_ms?: number;
  /** Exclusive. */
  readonly end_ms?: number;
}

export interface PartRow extends RowPlace {
  readonly value: unknown;
}

/** One copy of a partition, in this process. */
export interface HeldPart extends PartHead {
  /** The lease was confirmed so lately that nobody else can have it. */
  readonly isSure: boolean;
  /** It has applied everything that its stream had so long ago, ms; undefined: that is not known. */
  readonly staleness_ms: number | undefined;
  /** What is committed; undefined before there is a state. */
  reader(): KvReader | undefined;
  /** How the values of a table are stored; undefined: as JSON. */
  codecOf(table: string): Codec<unknown> | undefined;
}

/** Answers for the partitions asked for, in the order of `held`. */
export function answerParts(held: readonly HeldPart[], request: PartRequest): readonly Part[] {
  const { partitions } = request;
  return held
    .filter(({ partition }) => partitions === undefined || partitions.includes(partition))
    .map((part) => answerPart(part, request));
}

function answerPart(held: HeldPart, request: PartRequest): Part {
  const { partition, role, epoch, isSure, staleness_ms } = held;
  const { require, max_staleness_ms } = request;
  const head = { partition, role, epoch };
  const failed = (reason: PartFailure, message: string): FailedPart => ({
    ...head,
    ok: false,
    reason,
    message,
  });
  if (require === 'owner' && (role !== 'owner' || !isSure)) {
    const why = role === 'owner' ? 'its lease was not confirmed lately' : 'it is a standby';
    return failed('not_owner', `This copy of partition ${partition} may not answer as the owner: ${why}.`);
  }
  if (max_staleness_ms !== undefined && (staleness_ms ?? Number.POSITIVE_INFINITY) > max_staleness_ms) {
    const stale = staleness_ms === undefined ? 'not known how stale' : `${Math.ceil(staleness_ms)} ms stale`;
    return failed(
      'too_stale',
      `This copy of partition ${partition} is ${stale}; ${max_staleness_ms} ms are allowed.`,
    );
  }
  const reader = held.reader();
  if (reader === undefined) return failed('not_open', `Partition ${partition} has no state here yet.`);
  const codec = held.codecOf(request.table);
  const table: QueryableTable<unknown> = {
    id: request.table,
    ...(codec === undefined ? {} : { codec }),
    ...(request.scope === undefined ? {} : { scope: request.scope }),
  };
  const { query, position } = request;
  const answer = queryTable(reader, table, query, position === undefined ? {} : { position });
  if (!answer.ok) return failed(answer.reason, answer.message);
  const place = { ...head, ok: true, position: answer.position, watermark_ms: answer.watermark_ms } as const;
  const { rows, next } = rowsOf(query, answer as unknown as Raw);
  return { ...place, rows, ...(next === undefined ? {} : { next }) };
}

/** What the answers of all kinds have together. */
interface Raw {
  readonly value?: unknown;
  readonly values?: readonly PartRow[];
  readonly next?: string | RowPlace;
  readonly next_ms?: number;
  readonly next_end_ms?: number;
}

function rowsOf(query: TableQuery, { value, values = [], next, next_ms, next_end_ms }: Raw) {
  if (query.kind === 'key') {
    return { rows: value === undefined ? [] : [{ key: query.key, value }], next: undefined };
  }
  if (query.kind === 'window' && next_ms !== undefined) {
    const end = next_end_ms === undefined ? {} : { end_ms: next_end_ms };
    return { rows: values, next: { key: query.key, start_ms: next_ms, ...end } };
  }
  return { rows: values, next: typeof next === 'string' ? { key: next } : next };
}
