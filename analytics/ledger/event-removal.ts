import type { RowBatch } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { HASH, MARK } from '../rows/index.ts';
import { appendCorrection, markDisplaced } from './corrections.ts';
import { ALWAYS, CLASS, CLASS_OF } from './kinds.ts';
import type { LedgerHeaps, RowPlace } from './ledger.ts';
import type { OrderLedger } from './order-ledger.ts';
import type { OwnRow } from './own-row.ts';
import { PairedFirsts, SLOT } from './paired-firsts.ts';
import type { RowLookup } from './row-lookup.ts';
import { fillEvent } from './sent-event.ts';

/** Takes events back: their rows, and what others counted for because of them. */
export class EventRemoval {
  readonly #out: RowBatch;
  readonly #place: RowPlace;
  readonly #orders: OrderLedger;
  readonly #sessions: PairedFirsts;
  readonly #tickets: PairedFirsts;
  readonly #lookup: RowLookup;
  readonly #scratch: EventBatch;
  readonly #read: OwnRow;
  readonly #other: OwnRow;

  constructor(
    heaps: LedgerHeaps,
    rows: { readonly out: RowBatch; readonly place: RowPlace; readonly scratch: EventBatch },
    orders: OrderLedger,
    lookup: RowLookup,
    newRow: () => OwnRow,
  ) {
    this.#out = rows.out;
    this.#place = rows.place;
    this.#scratch = rows.scratch;
    this.#orders = orders;
    this.#sessions = new PairedFirsts(heaps.sessions);
    this.#tickets = new PairedFirsts(heaps.tickets);
    this.#lookup = lookup;
    this.#read = newRow();
    this.#other = newRow();
  }

  /** `own` is the event as it was sent; `id0` and `id1` are of its id. */
  remove(own: OwnRow, id0: number, id1: number): void {
    switch (CLASS_OF[own.kind + 1]) {
      case CLASS.version:
        this.#orders.removeVersion(own, id0, id1);
        return;
      case CLASS.dependent:
        this.#orders.removeDependent(own);
        return;
      case CLASS.visit:
        this.#browse(own, SLOT.visit, MARK.visits, MARK.sessions);
        return;
      case CLASS.cart:
        this.#browse(own, SLOT.cart, 0, MARK.sessions_with_cart);
        return;
      case CLASS.opened:
        this.#opened(own);
        return;
      case CLASS.response:
        this.#response(own);
        return;
      default:
        this.#displace(own, ALWAYS[own.kind + 1] as number, Number.NaN);
    }
  }

  #displace(own: OwnRow, marks: number, value: number): void {
    appendCorrection(this.#out, own, this.#place, true, marks, value);
    markDisplaced(this.#out, own);
  }

  #browse(own: OwnRow, slot: number, always: number, first: number): void {
    const { session_hi: hi, session_lo: lo } = own;
    const isFirst = (hi !== 0 || lo !== 0) && this.#isFirst(this.#sessions, hi, lo, slot, own);
    this.#displace(own, isFirst ? always | first : always, Number.NaN);
    if (!isFirst) return;
    const next = this.#next(this.#sessions, HASH.session, hi, lo, slot, own);
    if (next === undefined) return;
    appendCorrection(this.#out, next, this.#place, true, always, Number.NaN);
    appendCorrection(this.#out, next, this.#place, false, always | first, Number.NaN);
  }

  #isFirst(firsts: PairedFirsts, hi: number, lo: number, slot: number, own: OwnRow): boolean {
    firsts.open(hi, lo);
    return firsts.isAt(slot, own.sequence, own.part);
  }

  /** Puts the event that is now the first of its kind into the opened record; undefined where there is none. */
  #next(
    firsts: PairedFirsts,
    column: number,
    hi: number,
    lo: number,
    slot: number,
    own: OwnRow,
  ): OwnRow | undefined {
    const next = this.#lookup.first(this.#place.scope, column, hi, lo, own);
    if (next === undefined) firsts.clear(hi, lo, slot);
    else {
      fillEvent(this.#scratch, next, this.#place.scope);
      firsts.put(hi, lo, slot, this.#scratch, 0);
    }
    return next;
  }

  #opened(own: OwnRow): void {
    const { ticket_hi: hi, ticket_lo: lo } = own;
    this.#displace(own, 0, Number.NaN);
    const tickets = this.#tickets;
    if ((hi === 0 && lo === 0) || !this.#isFirst(tickets, hi, lo, SLOT.opened, own)) return;
    const response = this.#read;
    const hasResponse = tickets.has(SLOT.response);
    if (hasResponse) tickets.read(SLOT.response, response);
    const next = this.#next(tickets, HASH.ticket, hi, lo, SLOT.opened, own);
    if (!hasResponse) return;
    const { time_ms } = response;
    appendCorrection(this.#out, response, this.#place, true, MARK.responded, time_ms - own.time_ms);
    const marks = next === undefined ? 0 : MARK.responded;
    const value = next === undefined ? Number.NaN : time_ms - next.time_ms;
    appendCorrection(this.#out, response, this.#place, false, marks, value);
  }

  #response(own: OwnRow): void {
    const { ticket_hi: hi, ticket_lo: lo } = own;
    const tickets = this.#tickets;
    if ((hi === 0 && lo === 0) || !this.#isFirst(tickets, hi, lo, SLOT.response, own)) {
      this.#displace(own, 0, Number.NaN);
      return;
    }
    let opened_ms = Number.NaN;
    if (tickets.has(SLOT.opened)) {
      tickets.read(SLOT.opened, this.#other);
      opened_ms = this.#other.time_ms;
    }
    const marks = Number.isNaN(opened_ms) ? 0 : MARK.responded;
    this.#displace(own, marks, own.time_ms - opened_ms);
    const next = this.#next(tickets, HASH.ticket, hi, lo, SLOT.response, own);
    if (next === undefined) return;
    appendCorrection(this.#out, next, this.#place, true, 0, Number.NaN);
    appendCorrection(this.#out, next, this.#place, false, marks, next.time_ms - opened_ms);
  }
}
