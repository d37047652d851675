import { z } from 'zod';
import { keptFrom, type Position, QueryError, timeOf } from '../../../analytics/index.ts';
import { type FreshnessMembers, sequenceOf, wishOf } from '../../answers/index.ts';
import type { Cursors, FreshnessWish } from '../../http/index.ts';

/** Ranges lie within these; no event is outside them. */
const FIRST_MS = Date.UTC(1970, 0, 1);
const LAST_MS = Date.UTC(2100, 0, 1);

export interface EventRange {
  readonly start_ms: number;
  readonly end_ms: number;
}

/** What there is to say of a range that begins before events are kept, where a beginning was asked for. */
export function keptWarning({ start_ms }: EventRange, kept_from: string | undefined): readonly string[] {
  if (kept_from === undefined || start_ms === FIRST_MS || start_ms >= Date.parse(kept_from)) return [];
  return [keptFrom(Date.parse(kept_from), 'those that are listed begin there.')];
}

/** A half-open range of event time, both ends optional. Throws QueryError `invalid_range`. */
export function rangeOf(from: string | undefined, to: string | undefined): EventRange {
  const start_ms = from === undefined ? FIRST_MS : parse('from', from);
  const end_ms = to === undefined ? LAST_MS : parse('to', to) + (/:59[Zz+-]/.test(to) ? 1_000 : 0);
  if (start_ms < end_ms) return { start_ms, end_ms };
  const message = '`to` must be after `from`: the range is [from, to)';
  throw new QueryError('invalid_range', `${message}.`, [{ path: 'to', message }]);
}

function parse(path: string, text: string): number {
  const time_ms = timeOf(text);
  if (!Number.isNaN(time_ms)) return time_ms;
  const message = 'must be an RFC 3339 date-time with an offset, e.g. 2025-08-01T00:00:00Z';
  throw new QueryError('invalid_range', `\`${path}\` ${message}; it is ${JSON.stringify(text)}.`, [
    { path, message },
  ]);
}

/** Those that a former version gave have no incarnation. */
const placeSchema = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number().optional()]);

/** Where a listing goes on, and the sequence up to which it sees events: that of its first page. */
export interface Place {
  readonly upTo: number;
  readonly after: Position;
  /** The number of the stream's incarnation that it is of, where that is known. */
  readonly incarnation?: number | undefined;
}

export function encodePlace(cursors: Cursors, filter: unknown, { upTo, after, incarnation }: Place): string {
  const place = [upTo, after.time_ms, after.sequence, after.part];
  return cursors.encode(filter, incarnation === undefined ? place : [...place, incarnation]);
}

export function decodePlace(
  cursors: Cursors,
  filter: unknown,
  cursor: string | undefined,
): Place | undefined {
  if (cursor === undefined) return undefined;
  const [upTo, time_ms, sequence, part, incarnation] = placeSchema.parse(cursors.decode(filter, cursor));
  return { upTo, after: { time_ms, sequence, part }, incarnation };
}

/** What is asked of the state: that it has applied what the answer is to be made of. */
export function demandOf(
  members: FreshnessMembers & { readonly as_of?: FreshnessMembers['min_position'] },
  place: Place | undefined,
): FreshnessWish {
  const wish = wishOf(members);
  const as_of = members.as_of === undefined ? undefined : sequenceOf(members.as_of, 'as_of');
  const needed = Math.max(wish.min_sequence ?? 0, as_of ?? 0, place?.upTo ?? 0);
  return needed === 0 ? wish : { ...wish, min_sequence: needed };
}
