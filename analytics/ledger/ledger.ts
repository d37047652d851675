import { type Dictionary, RowBatch } from '../../engine/index.ts';
import { EventBatch, T } from '../events/index.ts';
import { type HeldRate, NOTHING_ANNOUNCED, type RateBook } from '../exchange/index.ts';
import { CODE, HASH, MARK, NUMBER, ROW_DIMENSIONS, rowSchema } from '../rows/index.ts';
import { type AmendedEvents, type EventWords, keyOfWords } from './amended-events.ts';
import { Amender, isOfOrder, type LedgerActs, type RefuseCorrection } from './amender.ts';
import { appendCorrection, appendRow, markDisplaced } from './corrections.ts';
import { EventRemoval } from './event-removal.ts';
import { ALWAYS, CLASS, CLASS_OF } from './kinds.ts';
import { OrderLedger } from './order-ledger.ts';
import { OwnRow } from './own-row.ts';
import { CLAIM, PairedFirsts, SLOT } from './paired-firsts.ts';
import type { RecordHeap } from './record-heap.ts';
import { type LookupSources, RowLookup } from './row-lookup.ts';
import { fillEvent, loadOwn, loadRate, storeOwn } from './sent-event.ts';

/** The records of each kind of entity, by the hash of its id. */
export interface LedgerHeaps {
  readonly orders: RecordHeap;
  readonly customers: RecordHeap;
  readonly sessions: RecordHeap;
  readonly tickets: RecordHeap;
}

/** What corrections of events need. */
export interface LedgerAmends {
  readonly events: AmendedEvents;
  readonly sources: LookupSources;
  /** Where rates are kept; undefined: nowhere. */
  readonly rates: () => RateBook | undefined;
  /** Is told of corrections that are not taken. */
  readonly refuse: RefuseCorrection;
}

/** Where the rows that an event causes belong. */
export interface RowPlace {
  scope: number;
  sequence: number;
  part: number;
}

const DAY_MS = 86_400_000;

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
  readonly #heaps: LedgerHeaps;
  readonly #dimensions: number;
  readonly #amended: AmendedEvents;
  readonly #lookup: RowLookup;
  readonly #refuse: RefuseCorrection;
  readonly #rates: () => RateBook | undefined;
  #amender: Amender | undefined;
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
    amends: LedgerAmends,
    custom: readonly string[] = [],
    retention_days = Number.POSITIVE_INFINITY,
    behind_ms = 0,
  ) {
    this.#heaps = heaps;
    this.#amended = amends.events;
    this.#refuse = amends.refuse;
    this.#rates = amends.rates;
    this.#all = Object.values(heaps);
    this.#retention_ms = retention_days * DAY_MS;
    this.#behind_ms = behind_ms;
    const dimensions = ROW_DIMENSIONS.length + custom.length;
    this.corrections = new RowBatch(rowSchema(custom), dictionary);
    this.#dimensions = dimensions;
    this.#lookup = new RowLookup(amends.sources, dictionary, dimensions);
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
    const amendments = new Map(batch.amendments.map((amendment) => [amendment.row, amendment]));
    const amender = amendments.size > 0 || this.#amended.awaited > 0 ? this.#amenderOf(batch) : undefined;
    for (let row = 0; row < own.length; row++) {
      if (live[row] === 0) continue;
      place.scope = scope[row] as number;
      place.sequence = sequence[row] as number;
      place.part = part[row] as number;
      if (this.#retention_ms < Number.POSITIVE_INFINITY)
        this.#forgetFor(Math.min(own.time_ms[row] as number, now_ms));
      if (amender !== undefined) {
        this.#lookup.reach(row);
        const amendment = amendments.get(row);
        if (amendment !== undefined) {
          amender.amend(batch, row, amendment);
          continue;
        }
        if (amender.arrive(batch, row)) continue;
      }
      this.#event(batch, row, kind[row] as number);
    }
  }

  /** Corrections are rare: what they need is made when the first one comes. */
  #amenderOf(batch: EventBatch): Amender {
    this.#lookup.open(batch, this.corrections);
    this.#amender ??= new Amender(this.#amended, this.#lookup, this.#acts(), this.#refuse);
    return this.#amender;
  }

  #acts(): LedgerActs {
    const { corrections } = this;
    const { schema, dictionary } = corrections;
    const place = this.#place;
    const custom = schema.columns
      .filter(({ kind, text }) => kind === 'code' && text === true)
      .map(({ name }) => name)
      .slice(2 + ROW_DIMENSIONS.length);
    const scratch = new EventBatch(dictionary, custom);
    const newRow = (): OwnRow => new OwnRow(this.#dimensions);
    const rows = { out: corrections, place, scratch };
    const removal = new EventRemoval(this.#heaps, rows, this.#orders, this.#lookup, newRow);
    return {
      count: (batch, row) => this.#event(batch, row, batch.kind[row] as number),
      displaceNew: (batch, row) => {
        const own = loadOwn(storeOwn(batch, row), this.#dimensions);
        appendCorrection(corrections, own, place, true, 0, Number.NaN);
        markDisplaced(corrections, own);
      },
      takeBack: (bytes, words) => {
        const own = loadOwn(bytes, this.#dimensions);
        removal.remove(own, words.id0, words.id1);
        if (own.kind !== T['fx.rate']) return;
        const held = loadRate(bytes, this.#dimensions);
        this.#rates()?.takeBack({ ...this.#heard(dictionary, words), time_ms: own.time_ms, held });
      },
      restore: (bytes, { id0, id1, id2 }, id) => {
        const own = loadOwn(bytes, this.#dimensions);
        fillEvent(scratch, own, place.scope);
        if (own.kind === T['fx.rate']) hold(scratch, loadRate(bytes, this.#dimensions));
        scratch.id0[0] = id0;
        scratch.id1[0] = id1;
        scratch.id2[0] = id2;
        scratch.setId(0, id, 0, id.length);
        this.#event(scratch, 0, own.kind);
        appendRow(corrections, scratch.own, place);
        markDisplaced(corrections, own);
      },
      sent: (own, words) => {
        const held = own.kind === T['fx.rate'] ? this.#rates()?.find(keyOfWords(words)) : NOTHING_ANNOUNCED;
        if (held === undefined) return undefined;
        if (isOfOrder(own)) {
          if (this.#orders.isUnknownWithout(own)) return undefined;
          this.#orders.sentAs(own);
        }
        fillEvent(scratch, own, place.scope);
        hold(scratch, held);
        return storeOwn(scratch, 0);
      },
    };
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
        this.#browse(batch, row, SLOT.visit, MARK.visits, MARK.sessions);
        return;
      case CLASS.cart:
        this.#browse(batch, row, SLOT.cart, 0, MARK.sessions_with_cart);
        return;
      case CLASS.opened:
        this.#opened(batch, row);
        return;
      case CLASS.response:
        this.#responded(batch, row);
        return;
      default: {
        if (kind === T['fx.rate']) this.#rate(batch, row);
        const always = ALWAYS[kind + 1] as number;
        if (always !== 0) (batch.columns.codes[CODE.marks] as Int32Array)[row] = always;
      }
    }
  }

  /** Of an event that says something of the event with these words. */
  #heard(dictionary: Dictionary, words: EventWords) {
    const { scope, sequence } = this.#place;
    return { tenant: dictionary.textOf(scope), sequence, id: keyOfWords(words) };
  }

  #rate(batch: EventBatch, row: number): void {
    const rates = this.#rates();
    if (rates === undefined) return;
    const words = {
      id0: batch.id0[row] as number,
      id1: batch.id1[row] as number,
      id2: batch.id2[row] as number,
    };
    const held = batch.rates.find((rate) => rate.row === row) ?? NOTHING_ANNOUNCED;
    rates.count({ ...this.#heard(batch.dictionary, words), time_ms: batch.own.time_ms[row] as number, held });
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
    if (tickets.claim(SLOT.opened, time_ms, event) === CLAIM.later) return;
    if (tickets.has(SLOT.response)) {
      const own = this.#own;
      const hadOpening = tickets.has(SLOT.opened);
      let opened_ms = Number.NaN;
      if (hadOpening) {
        tickets.read(SLOT.opened, own);
        opened_ms = own.time_ms;
      }
      tickets.read(SLOT.response, own);
      const former = hadOpening ? MARK.responded : 0;
      appendCorrection(this.corrections, own, this.#place, true, former, own.time_ms - opened_ms);
      appendCorrection(this.corrections, own, this.#place, false, MARK.responded, own.time_ms - time_ms);
    }
    tickets.put(hi, lo, SLOT.opened, batch, row);
  }

  #responded(batch: EventBatch, row: number): void {
    const hi = batch.ticket_hi[row] as number;
    const lo = batch.ticket_lo[row] as number;
    if (hi === 0 && lo === 0) return;
    const tickets = this.#tickets;
    tickets.open(hi, lo);
    const time_ms = batch.own.time_ms[row] as number;
    const event = (batch.columns.codes[CODE.event] as Int32Array)[row] as number;
    const claim = tickets.claim(SLOT.response, time_ms, event);
    if (claim === CLAIM.later) return;
    const own = this.#own;
    let opened_ms = Number.NaN;
    if (tickets.has(SLOT.opened)) {
      tickets.read(SLOT.opened, own);
      opened_ms = own.time_ms;
    }
    const marks = Number.isNaN(opened_ms) ? 0 : MARK.responded;
    if (claim === CLAIM.earlier) {
      tickets.read(SLOT.response, own);
      appendCorrection(this.corrections, own, this.#place, true, marks, own.time_ms - opened_ms);
      appendCorrection(this.corrections, own, this.#place, false, 0, Number.NaN);
    }
    (batch.columns.codes[CODE.marks] as Int32Array)[row] = marks;
    (batch.columns.numbers[NUMBER.value] as Float64Array)[row] = time_ms - opened_ms;
    tickets.put(hi, lo, SLOT.response, batch, row);
  }
}

/** Has the one event of a batch announce a rate. */
function hold(batch: EventBatch, held: HeldRate): void {
  if (held.rate !== '') batch.rates.push({ ...held, row: 0 });
}
