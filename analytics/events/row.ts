import type { HashColumn } from '../../engine/index.ts';
import { CODE, FLAG, HASH } from '../rows/index.ts';
import type { EventBatch } from './event-batch.ts';
import { T } from './event-types.ts';
import { correctionOf, eventCode, hiOf, loOf } from './identity.ts';

/** Where the event at hand came from; one object, written anew for each. */
export interface RowPlace {
  sequence: number;
  part: number;
  /** Index in the batch's `records`. */
  record: number;
  tenant: string;
  /** Dictionary code of the tenant; -1 until an event of it is taken. */
  scope: number;
  /** Of the tenant's ids. */
  seed: number;
  /** Rows of the batch before it are empty, or written. */
  emptied: number;
}

/**
 * Empties the rows from `from` to `to`, so that writers set only what an event has: no code, no hash, no number.
 * A batch that is used again still has the rows of its last use.
 */
export function emptyRows({ columns, ticket_hi, ticket_lo }: EventBatch, from: number, to: number): void {
  for (const codes of columns.codes) codes.fill(0, from, to);
  for (const { hi, lo } of columns.hashes) {
    hi.fill(0, from, to);
    lo.fill(0, from, to);
  }
  for (const numbers of columns.numbers) numbers.fill(Number.NaN, from, to);
  ticket_hi.fill(0, from, to);
  ticket_lo.fill(0, from, to);
}

/** A new row, empty but for what every event has; its writer sets dimensions, amounts, items and ids. */
export function newRow(batch: EventBatch, place: RowPlace, time_ms: number, payload: number): number {
  if (place.scope < 0) place.scope = batch.dictionary.ownCodeOf(place.tenant);
  const row = batch.append();
  const { own } = batch;
  if (row >= place.emptied) {
    // The batch has grown.
    place.emptied = own.columns.capacity;
    emptyRows(batch, row, place.emptied);
  }
  own.time_ms[row] = time_ms;
  own.sequence[row] = place.sequence;
  own.part[row] = place.part;
  own.scope[row] = place.scope;
  batch.record[row] = place.record;
  batch.payload[row] = payload;
  (own.columns.codes[CODE.flags] as Int32Array)[row] = FLAG.original;
  return row;
}

/** `words` are the hash of the event's id. */
export function setIdentity(batch: EventBatch, row: number, words: Uint32Array): void {
  const id0 = hiOf(words);
  batch.id0[row] = id0;
  batch.id1[row] = (words[1] as number) | 0;
  batch.id2[row] = (words[2] as number) | 0;
  (batch.columns.codes[CODE.event] as Int32Array)[row] = eventCode(id0);
}

/**
 * An event that supersedes another has its id; what it is known by, so that it counts once, is the id with all that it
 * says.
 */
export function setCorrectionIdentity(batch: EventBatch, row: number): void {
  const [id0, id1, id2] = [batch.id0, batch.id1, batch.id2].map((words) => words[row] as number);
  const words = { id0: id0 as number, id1: id1 as number, id2: id2 as number };
  const correction = correctionOf(words, batch.payload[row] as number);
  batch.id0[row] = correction.id0;
  batch.id1[row] = correction.id1;
  batch.id2[row] = correction.id2;
}

/** `column` is one of HASH; `words` are the hash of an id; undefined: there is none. */
export function setHash(
  batch: EventBatch,
  row: number,
  column: number,
  words: Uint32Array | undefined,
): void {
  const hashes = batch.columns.hashes[column] as HashColumn;
  hashes.hi[row] = words === undefined ? 0 : hiOf(words);
  hashes.lo[row] = words === undefined ? 0 : loOf(words);
}

export function setTicket(batch: EventBatch, row: number, words: Uint32Array): void {
  batch.ticket_hi[row] = hiOf(words);
  batch.ticket_lo[row] = loOf(words);
  setHash(batch, row, HASH.ticket, words);
}

/** Versions of an order, of which the newest is found by event time, then by event id. */
export function isVersion(kind: number): boolean {
  return kind === T['order.created'] || kind === T['order.updated'];
}

/** Types about a ticket. */
export function isTicket(kind: number): boolean {
  return kind === T['ticket.opened'] || kind === T['ticket.first.response'] || kind === T['ticket.resolved'];
}
