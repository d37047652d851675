import type { HashColumn, RowBatch } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, FLAG, HASH, MARK, NUMBER } from '../rows/index.ts';
import { appendCorrection, become, inherit, inheritInPlace, markDisplaced, setOrder } from './corrections.ts';
import { ALWAYS, CANCELLED, CLASS, CLASS_OF, CREATED, FIRST_OF_ORDER, SHIPPED } from './kinds.ts';
import type { LedgerHeaps, RowPlace } from './ledger.ts';
import {
  ORDER_FLAGS_COUNTED,
  ORDER_HEAD_BYTES,
  ORDER_VERSIONS_DROPPED,
  OrderEntries,
} from './order-entries.ts';
import { OrderState } from './order-state.ts';
import { ENTRY_HEAD_BYTES, OwnRow, readOwn, writeOwn } from './own-row.ts';
import { type OrderVisitor, Ownership } from './ownership.ts';
import { RecordReader, RecordWriter } from './record-bytes.ts';

/** Events of an order that are kept to be said anew when it changes; those beyond stay as they came. */
export const ORDER_EVENTS_MAX = 1_000;
/** Bytes of an order's record, beyond which no more of its events are kept either. */
export const ORDER_RECORD_MAX_BYTES = 512 * 1_024;

/** Flags of an order: it is the first of its customer, of its session. */
const FIRST_OF_CUSTOMER = 1;
const FIRST_OF_SESSION = 2;
/** An order without an id is known by its event's id. */
const LONE = 0x5bd1e995;

function orderMarks(flags: number): number {
  return (
    MARK.orders |
    ((flags & FIRST_OF_CUSTOMER) === 0 ? 0 : MARK.customers_new) |
    ((flags & FIRST_OF_SESSION) === 0 ? 0 : MARK.sessions_with_order)
  );
}

function dependentMarks(kind: number, isFirst: boolean, created_ms: number): number {
  const always = ALWAYS[kind + 1] as number;
  if (!isFirst) return always;
  const first = always | (FIRST_OF_ORDER[kind + 1] as number);
  if (Number.isNaN(created_ms)) return first;
  return first | (kind === SHIPPED ? MARK.shipped_in : kind === CANCELLED ? MARK.cancelled : 0);
}

function dependentValue(
  kind: number,
  isFirst: boolean,
  time_ms: number,
  created_ms: number,
  amount: number,
): number {
  if (!isFirst || Number.isNaN(created_ms)) return Number.NaN;
  if (kind === SHIPPED) return time_ms - created_ms;
  return kind === CANCELLED ? amount : Number.NaN;
}

function setMarks(batch: EventBatch, row: number, marks: number, value: number): void {
  (batch.columns.codes[CODE.marks] as Int32Array)[row] = marks;
  (batch.columns.numbers[NUMBER.value] as Float64Array)[row] = value;
}

/** The part of the ledger that keeps orders, and whose they are. */
export class OrderLedger {
  /** Events beyond `ORDER_EVENTS_MAX` of their order, so far. */
  frozen = 0;
  readonly #heaps: LedgerHeaps;
  readonly #out: RowBatch;
  readonly #place: RowPlace;
  readonly #customers: Ownership;
  readonly #sessions: Ownership;
  readonly #entries = new OrderEntries();
  readonly #before: OrderState;
  readonly #after: OrderState;
  readonly #own: OwnRow;
  /** The order that is being changed is kept in `#entries` and `#record`; others are read into these. */
  readonly #other = new OrderEntries();
  readonly #otherState: OrderState;
  readonly #record = new RecordWriter();
  readonly #scratch = new RecordWriter();
  readonly #reader = new RecordReader();

  constructor(heaps: LedgerHeaps, out: RowBatch, place: RowPlace, dimensions: number) {
    this.#heaps = heaps;
    this.#out = out;
    this.#place = place;
    this.#before = new OrderState(dimensions);
    this.#after = new OrderState(dimensions);
    this.#otherState = new OrderState(dimensions);
    this.#own = new OwnRow(dimensions);
    this.#customers = new Ownership(heaps.customers, FIRST_OF_CUSTOMER, (visit) => this.#visit(visit, true));
    this.#sessions = new Ownership(heaps.sessions, FIRST_OF_SESSION, (visit) => this.#visit(visit, false));
  }

  /** `order.created` or `order.updated`. */
  version(batch: EventBatch, row: number, kind: number): void {
    const order = batch.columns.hashes[HASH.order] as HashColumn;
    let hi = order.hi[row] as number;
    let lo = order.lo[row] as number;
    if (hi === 0 && lo === 0) {
      // Nobody can name it again; its customer may have others.
      if (kind !== CREATED) return;
      hi = (batch.id0[row] as number) ^ LONE;
      lo = batch.id1[row] as number;
    }
    const { orders } = this.#heaps;
    if (orders.open(hi, lo)) {
      this.#entries.read(orders.bytes, orders.start, orders.end);
      this.#change(batch, row, hi, lo);
    } else this.#begin(batch, row, kind, hi, lo);
  }

  /** The first that is heard of an order. */
  #begin(batch: EventBatch, row: number, kind: number, hi: number, lo: number): void {
    const entries = this.#entries;
    entries.clear();
    this.#addEntry(batch, row, true);
    if (kind === CREATED) {
      const { hashes } = batch.columns;
      const customer = hashes[HASH.customer] as HashColumn;
      const session = hashes[HASH.session] as HashColumn;
      const time_ms = batch.own.time_ms[row] as number;
      const event = (batch.columns.codes[CODE.event] as Int32Array)[row] as number;
      const ofCustomer = this.#enter(
        this.#customers,
        customer.hi[row] as number,
        customer.lo[row] as number,
        time_ms,
        event,
        hi,
        lo,
      );
      const ofSession = this.#enter(
        this.#sessions,
        session.hi[row] as number,
        session.lo[row] as number,
        time_ms,
        event,
        hi,
        lo,
      );
      const flags = ofCustomer | ofSession;
      this.#record.bytes[ORDER_HEAD_BYTES - 1] = flags;
      setMarks(batch, row, orderMarks(flags), Number.NaN);
    }
    this.#heaps.orders.put(hi, lo, this.#record.bytes, this.#record.length);
  }

  /** A further version of a known order. */
  #change(batch: EventBatch, row: number, hi: number, lo: number): void {
    const entries = this.#entries;
    const before = this.#before;
    const after = this.#after;
    before.merge(entries);
    const hadCreated = entries.created;
    const created_ms = hadCreated < 0 ? Number.NaN : (entries.time_ms[hadCreated] as number);
    const formerFlags = entries.flags;
    const added = this.#addEntry(batch, row, true);
    after.merge(entries);
    const isChanged = !before.equals(after);
    const created = entries.created;
    if (isChanged || created !== hadCreated) {
      // What stood there is taken back before anything is said anew.
      if (hadCreated >= 0) this.#correctCounted(hadCreated, before, formerFlags, true);
      this.#correctDependents(before, created_ms, true, isChanged);
      if (created >= 0) this.#own_order(hi, lo, hadCreated >= 0, hadCreated !== created);
      if (created === added) {
        const own = this.#read(entries, added);
        become(own, after.own);
        setOrder(batch.own, row, own);
        const flags = batch.columns.codes[CODE.flags] as Int32Array;
        flags[row] = FLAG.original | FLAG.merged;
        setMarks(batch, row, orderMarks(entries.flags), Number.NaN);
        if (hadCreated >= 0) this.#correctPlain(hadCreated);
      } else if (created >= 0) this.#correctCounted(created, after, entries.flags, false);
      const now_ms = created < 0 ? Number.NaN : (entries.time_ms[created] as number);
      this.#correctDependents(after, now_ms, false, isChanged);
    }
    if (created >= 0) after.shadowed[created] = 0;
    // What a newer version hides may be asked for again: when that one is corrected.
    const isFull = entries.count >= ORDER_EVENTS_MAX || entries.size_bytes >= ORDER_RECORD_MAX_BYTES;
    if (isFull) entries.flags |= ORDER_VERSIONS_DROPPED;
    entries.write(this.#scratch, isFull ? after.shadowed : undefined);
    this.#heaps.orders.put(hi, lo, this.#scratch.bytes, this.#scratch.length);
  }

  /** Puts the changed order where it now belongs among its customer's and its session's; sets its flags. */
  #own_order(hi: number, lo: number, had: boolean, isMoved: boolean): void {
    const entries = this.#entries;
    const { created } = entries;
    const time_ms = entries.time_ms[created] as number;
    const event = entries.event[created] as number;
    const a = this.#before.own;
    const b = this.#after.own;
    let { flags } = entries;
    if (isMoved || a.customer_hi !== b.customer_hi || a.customer_lo !== b.customer_lo) {
      flags &= ~FIRST_OF_CUSTOMER;
      if (had) this.#leave(this.#customers, a.customer_hi, a.customer_lo, hi, lo);
      flags |= this.#enter(this.#customers, b.customer_hi, b.customer_lo, time_ms, event, hi, lo);
    }
    if (isMoved || a.session_hi !== b.session_hi || a.session_lo !== b.session_lo) {
      flags &= ~FIRST_OF_SESSION;
      if (had) this.#leave(this.#sessions, a.session_hi, a.session_lo, hi, lo);
      flags |= this.#enter(this.#sessions, b.session_hi, b.session_lo, time_ms, event, hi, lo);
    }
    entries.flags = flags;
  }

  /** Adds an order to its owner's; gives the flag that it then has, and takes it from the one that had it. */
  #enter(
    owners: Ownership,
    owner_hi: number,
    owner_lo: number,
    time_ms: number,
    event: number,
    hi: number,
    lo: number,
  ): number {
    if (owner_hi === 0 && owner_lo === 0) return 0;
    if (!owners.enter(owner_hi, owner_lo, time_ms, event, hi, lo)) return 0;
    if (owners.changed_hi !== 0 || owners.changed_lo !== 0)
      this.#flag(owners.changed_hi, owners.changed_lo, owners.bit, false);
    return owners.bit;
  }

  #leave(owners: Ownership, owner_hi: number, owner_lo: number, hi: number, lo: number): void {
    if (owner_hi === 0 && owner_lo === 0) return;
    owners.leave(owner_hi, owner_lo, hi, lo);
    if (owners.changed_hi !== 0 || owners.changed_lo !== 0)
      this.#flag(owners.changed_hi, owners.changed_lo, owners.bit, true);
  }

  /** Sets or clears a flag of another order, whose counted row changes with it. */
  #flag(hi: number, lo: number, bit: number, on: boolean): void {
    const { orders } = this.#heaps;
    // Its rows are forgotten; it is remembered as the first of its owner, whose others are not.
    if (!orders.open(hi, lo)) return;
    const other = this.#other;
    other.read(orders.bytes, orders.start, orders.end);
    this.#otherState.merge(other);
    const former = other.flags;
    other.flags = on ? former | bit : former & ~bit;
    const own = this.#read(other, other.created);
    become(own, this.#otherState.own);
    appendCorrection(this.#out, own, this.#place, true, orderMarks(former), Number.NaN);
    appendCorrection(this.#out, own, this.#place, false, orderMarks(other.flags), Number.NaN);
    other.write(this.#scratch, undefined);
    orders.put(hi, lo, this.#scratch.bytes, this.#scratch.length);
  }

  /** The event of an order as it was sent, into `own`, where its record has it. */
  sentAs(own: OwnRow): boolean {
    const { orders } = this.#heaps;
    if (!orders.open(own.order_hi, own.order_lo)) return false;
    const entries = this.#entries;
    entries.read(orders.bytes, orders.start, orders.end);
    const entry = entries.find(own.sequence, own.part);
    if (entry < 0) return false;
    this.#reader.open(entries.bytes, entries.body[entry] as number);
    readOwn(this.#reader, own);
    return true;
  }

  /** Whether what an order says without one of its versions is not known. */
  isUnknownWithout(own: OwnRow): boolean {
    const { orders } = this.#heaps;
    if (!orders.open(own.order_hi, own.order_lo)) return false;
    return ((orders.bytes[orders.start + ORDER_HEAD_BYTES - 1] as number) & ORDER_VERSIONS_DROPPED) !== 0;
  }

  /** Takes a version back; `id0` and `id1` are of its event. */
  removeVersion(gone: OwnRow, id0: number, id1: number): void {
    const isLone = gone.order_hi === 0 && gone.order_lo === 0;
    if (isLone && gone.kind !== CREATED) return this.#displace(gone, 0, Number.NaN);
    const hi = isLone ? id0 ^ LONE : gone.order_hi;
    const lo = isLone ? id1 : gone.order_lo;
    const entries = this.#entries;
    const entry = this.#openEntry(hi, lo, gone);
    if (entry < 0) return this.#displace(gone, 0, Number.NaN);
    const before = this.#before;
    const after = this.#after;
    before.merge(entries);
    const hadCreated = entries.created;
    const created_ms = hadCreated < 0 ? Number.NaN : (entries.time_ms[hadCreated] as number);
    const isCounted = entry === hadCreated;
    const rest = this.#other;
    entries.writeWithout(this.#scratch, entry);
    rest.read(this.#scratch.bytes, 0, this.#scratch.length);
    after.merge(rest);
    const isChanged = !before.equals(after);
    if (!isCounted) this.#displace(gone, 0, Number.NaN);
    if (isChanged || isCounted) {
      if (hadCreated >= 0) this.#correctCounted(hadCreated, before, entries.flags, true);
      if (isCounted) markDisplaced(this.#out, gone);
      this.#correctDependents(before, created_ms, true, isChanged);
    }
    entries.read(
      Uint8Array.from(this.#scratch.bytes.subarray(0, this.#scratch.length)),
      0,
      this.#scratch.length,
    );
    if (isChanged || isCounted) this.#sayWithout(hi, lo, hadCreated >= 0, isCounted, isChanged);
    entries.write(this.#scratch, undefined);
    this.#heaps.orders.put(hi, lo, this.#scratch.bytes, this.#scratch.length);
  }

  /** Says an order anew, one of whose versions is gone from its entries. */
  #sayWithout(hi: number, lo: number, had: boolean, isCounted: boolean, isChanged: boolean): void {
    const entries = this.#entries;
    const after = this.#after;
    const { created } = entries;
    if (created >= 0) {
      this.#own_order(hi, lo, had, isCounted);
      // It was there as an event that counts for nothing.
      if (isCounted)
        appendCorrection(this.#out, this.#read(entries, created), this.#place, true, 0, Number.NaN);
      this.#correctCounted(created, after, entries.flags, false);
    } else if (had) {
      const { own } = this.#before;
      this.#leave(this.#customers, own.customer_hi, own.customer_lo, hi, lo);
      this.#leave(this.#sessions, own.session_hi, own.session_lo, hi, lo);
      entries.flags &= ~ORDER_FLAGS_COUNTED;
    }
    const now_ms = created < 0 ? Number.NaN : (entries.time_ms[created] as number);
    this.#correctDependents(after, now_ms, false, isChanged);
  }

  /** Takes an event back that has from its order what it lacks. */
  removeDependent(gone: OwnRow): void {
    const { kind } = gone;
    const [hi, lo] = [gone.order_hi, gone.order_lo];
    if (hi === 0 && lo === 0) {
      const marks = dependentMarks(kind, true, Number.NaN);
      if (kind === CANCELLED) this.#displace(gone, marks | MARK.cancelled, gone.amount);
      else this.#displace(gone, marks, Number.NaN);
      return;
    }
    const entries = this.#entries;
    const entry = this.#openEntry(hi, lo, gone);
    if (entry < 0) return this.#displace(gone, ALWAYS[kind + 1] as number, Number.NaN);
    const state = this.#before;
    state.merge(entries);
    const created_ms = entries.created < 0 ? Number.NaN : (entries.time_ms[entries.created] as number);
    const isFirst = entries.first[kind + 1] === entry;
    this.#correctDependent(entry, state, created_ms, isFirst, true);
    markDisplaced(this.#out, gone);
    entries.writeWithout(this.#scratch, entry);
    entries.read(
      Uint8Array.from(this.#scratch.bytes.subarray(0, this.#scratch.length)),
      0,
      this.#scratch.length,
    );
    const next = entries.first[kind + 1] as number;
    if (isFirst && next >= 0) {
      this.#correctDependent(next, state, created_ms, false, true);
      this.#correctDependent(next, state, created_ms, true, false);
    }
    this.#heaps.orders.put(hi, lo, this.#scratch.bytes, this.#scratch.length);
  }

  /** Opens an order's entries; the one of an event, or -1. */
  #openEntry(hi: number, lo: number, { sequence, part }: OwnRow): number {
    const { orders } = this.#heaps;
    if (!orders.open(hi, lo)) return -1;
    this.#entries.read(orders.bytes, orders.start, orders.end);
    return this.#entries.find(sequence, part);
  }

  /** Takes an event's own row back. */
  #displace(own: OwnRow, marks: number, value: number): void {
    appendCorrection(this.#out, own, this.#place, true, marks, value);
    markDisplaced(this.#out, own);
  }

  /** An event that has from its order what it lacks itself. */
  dependent(batch: EventBatch, row: number, kind: number): void {
    const order = batch.columns.hashes[HASH.order] as HashColumn;
    const hi = order.hi[row] as number;
    const lo = order.lo[row] as number;
    if (hi === 0 && lo === 0) {
      // An order by itself.
      const amount = (batch.columns.numbers[NUMBER.amount] as Float64Array)[row] as number;
      const marks = dependentMarks(kind, true, Number.NaN);
      if (kind === CANCELLED) setMarks(batch, row, marks | MARK.cancelled, amount);
      else setMarks(batch, row, marks, Number.NaN);
      return;
    }
    const { orders } = this.#heaps;
    const entries = this.#entries;
    if (orders.open(hi, lo)) entries.read(orders.bytes, orders.start, orders.end);
    else entries.clear();
    const state = this.#before;
    state.merge(entries);
    const { created } = entries;
    const created_ms = created < 0 ? Number.NaN : (entries.time_ms[created] as number);
    const former = entries.first[kind + 1] as number;
    const isKept = entries.count < ORDER_EVENTS_MAX && entries.size_bytes < ORDER_RECORD_MAX_BYTES;
    if (!isKept) this.frozen++;
    const added = isKept ? this.#addEntry(batch, row, false) : -1;
    const isFirst = isKept ? entries.first[kind + 1] === added : former < 0;
    if (isKept && isFirst && former >= 0 && FIRST_OF_ORDER[kind + 1] !== 0) {
      this.#correctDependent(former, state, created_ms, true, true);
      this.#correctDependent(former, state, created_ms, false, false);
    }
    if (state.hasVersion) inheritInPlace(batch.own, row, state.own);
    const time_ms = batch.own.time_ms[row] as number;
    const value = dependentValue(kind, isFirst, time_ms, created_ms, state.own.amount);
    setMarks(batch, row, dependentMarks(kind, isFirst, created_ms), value);
    if (isKept) orders.put(hi, lo, this.#record.bytes, this.#record.length);
  }

  /** Adds the batch's event to the entries. Their bytes then lie in `#record`, which is the order's new record. */
  #addEntry(batch: EventBatch, row: number, isVersion: boolean): number {
    const entries = this.#entries;
    const record = this.#record;
    entries.last_ms = Math.max(entries.last_ms, batch.own.time_ms[row] as number);
    entries.write(record, undefined);
    const at = record.length;
    writeOwn(record, batch, row);
    if (isVersion) this.#addId(batch, row, at);
    const added = entries.count;
    entries.moveTo(record.bytes, record.length);
    entries.add(batch.kind[row] as number, at, at + ENTRY_HEAD_BYTES, record.length);
    return added;
  }

  /** A version's id goes behind its body, inside its entry, with its length behind it (`order-state.ts`). */
  #addId(batch: EventBatch, row: number, at: number): void {
    const record = this.#record;
    const start = batch.id_start[row] as number;
    const end = batch.id_end[row] as number;
    record.copy(batch.ids, start, end);
    record.u16(end - start);
    record.setU16(at + 1, record.length - at - ENTRY_HEAD_BYTES);
  }

  #read(entries: OrderEntries, entry: number): OwnRow {
    this.#reader.open(entries.bytes, entries.body[entry] as number);
    readOwn(this.#reader, this.#own);
    return this.#own;
  }

  /** Takes an order's counted row back, or says it anew. */
  #correctCounted(entry: number, state: OrderState, flags: number, isRetraction: boolean): void {
    const own = this.#read(this.#entries, entry);
    become(own, state.own);
    appendCorrection(this.#out, own, this.#place, isRetraction, orderMarks(flags), Number.NaN);
  }

  /** An `order.created` that is no longer the first stays as an event. */
  #correctPlain(entry: number): void {
    const own = this.#read(this.#entries, entry);
    appendCorrection(this.#out, own, this.#place, false, 0, Number.NaN);
  }

  /** `all`: the order's members changed; else only its creation, which few of its events depend on. */
  #correctDependents(state: OrderState, created_ms: number, isRetraction: boolean, all: boolean): void {
    const entries = this.#entries;
    for (let entry = 0; entry < entries.count; entry++) {
      const kind = entries.kind[entry] as number;
      if (CLASS_OF[kind + 1] === CLASS.version) continue;
      if (!all && kind !== SHIPPED && kind !== CANCELLED) continue;
      const isFirst = entries.first[kind + 1] === entry;
      this.#correctDependent(entry, state, created_ms, isFirst, isRetraction);
    }
  }

  #correctDependent(
    entry: number,
    state: OrderState,
    created_ms: number,
    isFirst: boolean,
    isRetraction: boolean,
  ): void {
    const kind = this.#entries.kind[entry] as number;
    const own = this.#read(this.#entries, entry);
    if (state.hasVersion) inherit(own, state.own);
    const marks = dependentMarks(kind, isFirst, created_ms);
    const value = dependentValue(kind, isFirst, own.time_ms, created_ms, state.own.amount);
    appendCorrection(this.#out, own, this.#place, isRetraction, marks, value);
  }

  /** Visits every counted order with its owner: its customer, or its session. */
  #visit(visit: OrderVisitor, byCustomer: boolean): void {
    const entries = new OrderEntries();
    const state = new OrderState(this.#own.dimensions.length);
    this.#heaps.orders.visit((hi, lo, bytes, start, end) => {
      entries.read(bytes, start, end);
      if (entries.created < 0) return;
      state.merge(entries);
      const { own } = state;
      const owner_hi = byCustomer ? own.customer_hi : own.session_hi;
      const owner_lo = byCustomer ? own.customer_lo : own.session_lo;
      const { created } = entries;
      visit(hi, lo, entries.time_ms[created] as number, entries.event[created] as number, owner_hi, owner_lo);
    });
  }
}
