import { type Dictionary, RowBatch } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, HASH, MARK, NUMBER, ROW_DIMENSIONS, rowSchema } from '../rows/index.ts';
import { appendCorrection } from './corrections.ts';
import { ALWAYS, CLASS, CLASS_OF } from './kinds.ts';
import { OrderLedger } from './order-ledger.ts';
import { OwnRow } from './own-row.ts';
import { CLAIM, PairedFirsts } from './paired-firsts.ts';
import type { RecordHeap } from './record-heap.ts';

/** The records of each kind of entity, by the hash of its id. */
export interface LedgerHeaps {
  readonly orders: RecordHeap;
  readonly customers: RecordHeap;
  readonly sessions: RecordHeap;
  readonly tickets: RecordHeap;
}

/** Where the rows that an event causes belong. */
export interface RowPlace {
  scope: number;
  sequence: number;
  part: number;
}

const DAY_MS = 86_400_000;
const VISIT = 0;
const CART = 1;
const OPENED = 0;
const RESPONSE = 1;

/**
 * What events mean together: which of them count as an order's, a customer's, a session's first, what an event
 * has from its order, and what an order's newest version says. Each event is a row; `apply` completes the rows of a
 * batch in place and appends to `corrections` what they change in rows that came before: a retraction of the row as
 * it was, then the row as it is. So the net of all rows is a function of the set of events, and the net of the rows
 * up to a sequence is what was known there. Pure but for the records it is given.
 */
export class Ledger {
  readonly corrections: RowBatch;
  readonly #all: readonly RecordHeap[];
  readonly #retention_ms: number;
  readonly #behind_ms: number;
  readonly #place: RowPlace = { scope: 0, sequence: 0, part: 0 };
  readonly #orders: OrderLedger;
  readonly #sessions: PairedFirsts;
  readonly #tickets: PairedFirsts;
  readonly #own: OwnRow;

  /**
   * `retention_days`: an entity is as if it had never been for an event that comes so many UTC days after its last
   * one; undefined: nothing is forgotten. By event time, so that it does not matter how far the watermark is, less
   * `behind_ms`, by which the watermark is behind the newest event: so that no entity is forgotten whose events the
   * cut keeps.
   */
  constructor(
    heaps: LedgerHeaps,
    dictionary: Dictionary,
    custom: readonly string[] = [],
    retention_days = Number.POSITIVE_INFINITY,
    behind_ms = 0,
  ) {
    this.#all = Object.values(heaps);
    this.#retention_ms = retention_days * DAY_MS;
    this.#behind_ms = behind_ms;
    const dimensions = ROW_DIMENSIONS.length + custom.length;
    this.corrections = new RowBatch(rowSchema(custom), dictionary);
    this.#own = new OwnRow(dimensions);
    this.#orders = new OrderLedger(heaps, this.corrections, this.#place, dimensions);
    this.#sessions = new PairedFirsts(heaps.sessions);
    this.#tickets = new PairedFirsts(heaps.tickets);
  }

  /** Events of orders that had too many to be kept for later corrections, so far. */
  get frozen(): number {
    return this.#orders.frozen;
  }

  /**
   * Completes the live rows of a batch and fills `corrections`, which it clears first. What is ahead of `now_ms`
   * forgets no more than an event of now does, like the watermark.
   */
  apply(batch: EventBatch, now_ms = Number.POSITIVE_INFINITY): void {
    this.corrections.clear();
    const { live, kind, own } = batch;
    const { scope, sequence, part } = own;
    const place = this.#place;
    for (let row = 0; row < own.length; row++) {
      if (live[row] === 0) continue;
      place.scope = scope[row] as number;
      place.sequence = sequence[row] as number;
      place.part = part[row] as number;
      if (this.#retention_ms < Number.POSITIVE_INFINITY)
        this.#forgetFor(Math.min(own.time_ms[row] as number, now_ms));
      this.#event(batch, row, kind[row] as number);
    }
  }

  #forgetFor(time_ms: number): void {
    const cut_ms = Math.floor((time_ms - this.#behind_ms) / DAY_MS) * DAY_MS - this.#retention_ms;
    for (const heap of this.#all) heap.cut_ms = cut_ms;
  }

  #event(batch: EventBatch, row: number, kind: number): void {
    switch (CLASS_OF[kind + 1]) {
      case CLASS.version:
        this.#orders.version(batch, row, kind);
        return;
      case CLASS.dependent:
        this.#orders.dependent(batch, row, kind);
        return;
      case CLASS.visit:
        this.#browse(batch, row, VISIT, MARK.visits, MARK.sessions);
        return;
      case CLASS.cart:
        this.#browse(batch, row, CART, 0, MARK.sessions_with_cart);
        return;
      case CLASS.opened:
        this.#opened(batch, row);
        return;
      case CLASS.response:
        this.#responded(batch, row);
        return;
      default: {
        const always = ALWAYS[kind + 1] as number;
        if (always !== 0) (batch.columns.codes[CODE.marks] as Int32Array)[row] = always;
      }
    }
  }

  /** A session counts at the first of its events of a kind. */
  #browse(batch: EventBatch, row: number, slot: number, always: number, first: number): void {
    const marks = batch.columns.codes[CODE.marks] as Int32Array;
    marks[row] = always;
    const session = batch.columns.hashes[HASH.session] as { hi: Int32Array; lo: Int32Array };
    const hi = session.hi[row] as number;
    const lo = session.lo[row] as number;
    if (hi === 0 && lo === 0) return;
    const sessions = this.#sessions;
    sessions.open(hi, lo);
    const event = (batch.columns.codes[CODE.event] as Int32Array)[row] as number;
    const claim = sessions.claim(slot, batch.own.time_ms[row] as number, event);
    if (claim === CLAIM.later) return;
    if (claim === CLAIM.earlier) {
      const own = this.#own;
      sessions.read(slot, own);
      appendCorrection(this.corrections, own, this.#place, true, always | first, Number.NaN);
      appendCorrection(this.corrections, own, this.#place, false, always, Number.NaN);
    }
    marks[row] = always | first;
    sessions.put(hi, lo, slot, batch, row);
  }

  /** A ticket's opening moves the time of its first response. */
  #opened(batch: EventBatch, row: number): void {
    const hi = batch.ticket_hi[row] as number;
    const lo = batch.ticket_lo[row] as number;
    if (hi === 0 && lo === 0) return;
    const tickets = this.#tickets;
    tickets.open(hi, lo);
    const time_ms = batch.own.time_ms[row] as number;
    const event = (batch.columns.codes[CODE.event] as Int32Array)[row] as number;
    if (tickets.claim(OPENED, time_ms, event) === CLAIM.later) return;
    if (tickets.has(RESPONSE)) {
      const own = this.#own;
      const hadOpening = tickets.has(OPENED);
      let opened_ms = Number.NaN;
      if (hadOpening) {
        tickets.read(OPENED, own);
        opened_ms = own.time_ms;
      }
      tickets.read(RESPONSE, own);
      const former = hadOpening ? MARK.responded : 0;
      appendCorrection(this.corrections, own, this.#place, true, former, own.time_ms - opened_ms);
      appendCorrection(this.corrections, own, this.#place, false, MARK.responded, own.time_ms - time_ms);
    }
    tickets.put(hi, lo, OPENED, batch, row);
  }

  #responded(batch: EventBatch, row: number): void {
    const hi = batch.ticket_hi[row] as number;
    const lo = batch.ticket_lo[row] as number;
    if (hi === 0 && lo === 0) return;
    const tickets = this.#tickets;
    tickets.open(hi, lo);
    const time_ms = batch.own.time_ms[row] as number;
    const event = (batch.columns.codes[CODE.event] as Int32Array)[row] as number;
    const claim = tickets.claim(RESPONSE, time_ms, event);
    if (claim === CLAIM.later) return;
    const own = this.#own;
    let opened_ms = Number.NaN;
    if (tickets.has(OPENED)) {
      tickets.read(OPENED, own);
      opened_ms = own.time_ms;
    }
    const marks = Number.isNaN(opened_ms) ? 0 : MARK.responded;
    if (claim === CLAIM.earlier) {
      tickets.read(RESPONSE, own);
      appendCorrection(this.corrections, own, this.#place, true, marks, own.time_ms - opened_ms);
      appendCorrection(this.corrections, own, this.#place, false, 0, Number.NaN);
    }
    (batch.columns.codes[CODE.marks] as Int32Array)[row] = marks;
    (batch.columns.numbers[NUMBER.value] as Float64Array)[row] = time_ms - opened_ms;
    tickets.put(hi, lo, RESPONSE, batch, row);
  }
}
