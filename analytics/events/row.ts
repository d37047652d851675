import type { HashColumn } from '../../engine/log/index.ts';
import { T } from '../event-types.ts';
import { CODE, FLAG, NUMBER } from '../rows/index.ts';
import type { EventBatch } from './event-batch.ts';
import { eventCode, hiOf, loOf } from './identity.ts';

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
}

/** A new row with what every event has: its writer sets dimensions, amounts, items and ids. */
export function newRow(batch: EventBatch, place: RowPlace, time_ms: number, payload: number): number {
  if (place.scope < 0) place.scope = batch.dictionary.codeOf(place.tenant);
  const row = batch.append();
  const { own } = batch;
  const { codes, numbers } = own.columns;
  own.time_ms[row] = time_ms;
  own.sequence[row] = place.sequence;
  own.part[row] = place.part;
  own.scope[row] = place.scope;
  batch.record[row] = place.record;
  batch.payload[row] = payload;
  (codes[CODE.retraction] as Int32Array)[row] = 0;
  (codes[CODE.flags] as Int32Array)[row] = FLAG.original;
  (codes[CODE.marks] as Int32Array)[row] = 0;
  (numbers[NUMBER.value] as Float64Array)[row] = Number.NaN;
  (numbers[NUMBER.origin] as Float64Array)[row] = Number.NaN;
  batch.ticket_hi[row] = 0;
  batch.ticket_lo[row] = 0;
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
}

/** Types about a ticket. */
export function isTicket(kind: number): boolean {
  return kind === T['ticket.opened'] || kind === T['ticket.first.response'] || kind === T['ticket.resolved'];
}
