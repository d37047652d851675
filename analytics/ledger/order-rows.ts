import type { RowBatch } from '../../engine/index.ts';
import { appendCorrection, become, inherit } from './corrections.ts';
import { CANCELLED, CLASS, CLASS_OF, SHIPPED } from './kinds.ts';
import type { LedgerHeaps, RowPlace } from './ledger.ts';
import { OrderEntries } from './order-entries.ts';
import {
  dependentMarks,
  dependentValue,
  FIRST_OF_CUSTOMER,
  FIRST_OF_SESSION,
  orderMarks,
} from './order-marks.ts';
import { OrderState } from './order-state.ts';
import { OwnRow, readOwn } from './own-row.ts';
import { type OrderVisitor, Ownership } from './ownership.ts';
import { RecordReader, RecordWriter } from './record-bytes.ts';

/** Orders as rows: how one is said, taken back, and put among those of its customer and its session. */
export class OrderRows {
  protected readonly heaps: LedgerHeaps;
  protected readonly out: RowBatch;
  protected readonly place: RowPlace;
  protected readonly customers: Ownership;
  protected readonly sessions: Ownership;
  protected readonly entries = new OrderEntries();
  protected readonly before: OrderState;
  protected readonly after: OrderState;
  protected readonly ownRow: OwnRow;
  /** The order that is being changed is kept in `entries` and `record`; others are read into these. */
  protected readonly other = new OrderEntries();
  protected readonly otherState: OrderState;
  protected readonly record = new RecordWriter();
  protected readonly scratch = new RecordWriter();
  protected readonly reader = new RecordReader();

  constructor(heaps: LedgerHeaps, out: RowBatch, place: RowPlace, dimensions: number) {
    this.heaps = heaps;
    this.out = out;
    this.place = place;
    this.before = new OrderState(dimensions);
    this.after = new OrderState(dimensions);
    this.otherState = new OrderState(dimensions);
    this.ownRow = new OwnRow(dimensions);
    this.customers = new Ownership(heaps.customers, FIRST_OF_CUSTOMER, (visit) => this.visit(visit, true));
    this.sessions = new Ownership(heaps.sessions, FIRST_OF_SESSION, (visit) => this.visit(visit, false));
  }

  /** Puts the changed order where it now belongs among its customer's and its session's; sets its flags. */
  protected placeOrder(hi: number, lo: number, had: boolean, isMoved: boolean): void {
    const entries = this.entries;
    const { created } = entries;
    const time_ms = entries.time_ms[created] as number;
    const event = entries.event[created] as number;
    const a = this.before.own;
    const b = this.after.own;
    let { flags } = entries;
    if (isMoved || a.customer_hi !== b.customer_hi || a.customer_lo !== b.customer_lo) {
      flags &= ~FIRST_OF_CUSTOMER;
      if (had) this.leave(this.customers, a.customer_hi, a.customer_lo, hi, lo);
      flags |= this.enter(this.customers, b.customer_hi, b.customer_lo, time_ms, event, hi, lo);
    }
    if (isMoved || a.session_hi !== b.session_hi || a.session_lo !== b.session_lo) {
      flags &= ~FIRST_OF_SESSION;
      if (had) this.leave(this.sessions, a.session_hi, a.session_lo, hi, lo);
      flags |= this.enter(this.sessions, b.session_hi, b.session_lo, time_ms, event, hi, lo);
    }
    entries.flags = flags;
  }

  /** Adds an order to its owner's; gives the flag that it then has, and takes it from the one that had it. */
  protected enter(
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
      this.flag(owners.changed_hi, owners.changed_lo, owners.bit, false);
    return owners.bit;
  }

  protected leave(owners: Ownership, owner_hi: number, owner_lo: number, hi: number, lo: number): void {
    if (owner_hi === 0 && owner_lo === 0) return;
    owners.leave(owner_hi, owner_lo, hi, lo);
    if (owners.changed_hi !== 0 || owners.changed_lo !== 0)
      this.flag(owners.changed_hi, owners.changed_lo, owners.bit, true);
  }

  /** Sets or clears a flag of another order, whose counted row changes with it. */
  protected flag(hi: number, lo: number, bit: number, on: boolean): void {
    const { orders } = this.heaps;
    // Its rows are forgotten; it is remembered as the first of its owner, whose others are not.
    if (!orders.open(hi, lo)) return;
    const other = this.other;
    other.read(orders.bytes, orders.start, orders.end);
    this.otherState.merge(other);
    const former = other.flags;
    other.flags = on ? former | bit : former & ~bit;
    const own = this.read(other, other.created);
    become(own, this.otherState.own);
    appendCorrection(this.out, own, this.place, true, orderMarks(former), Number.NaN);
    appendCorrection(this.out, own, this.place, false, orderMarks(other.flags), Number.NaN);
    other.write(this.scratch, undefined);
    orders.put(hi, lo, this.scratch.bytes, this.scratch.length);
  }

  protected read(entries: OrderEntries, entry: number): OwnRow {
    this.reader.open(entries.bytes, entries.body[entry] as number);
    readOwn(this.reader, this.ownRow);
    return this.ownRow;
  }

  /** Takes an order's counted row back, or says it anew. */
  protected correctCounted(entry: number, state: OrderState, flags: number, isRetraction: boolean): void {
    const own = this.read(this.entries, entry);
    become(own, state.own);
    appendCorrection(this.out, own, this.place, isRetraction, orderMarks(flags), Number.NaN);
  }

  /** `all`: the order's members changed; else only its creation, which few of its events depend on. */
  protected correctDependents(
    state: OrderState,
    created_ms: number,
    isRetraction: boolean,
    all: boolean,
  ): void {
    const entries = this.entries;
    for (let entry = 0; entry < entries.count; entry++) {
      const kind = entries.kind[entry] as number;
      if (CLASS_OF[kind + 1] === CLASS.version) continue;
      if (!all && kind !== SHIPPED && kind !== CANCELLED) continue;
      const isFirst = entries.first[kind + 1] === entry;
      this.correctDependent(entry, state, created_ms, isFirst, isRetraction);
    }
  }

  protected correctDependent(
    entry: number,
    state: OrderState,
    created_ms: number,
    isFirst: boolean,
    isRetraction: boolean,
  ): void {
    const kind = this.entries.kind[entry] as number;
    const own = this.read(this.entries, entry);
    if (state.hasVersion) inherit(own, state.own);
    const marks = dependentMarks(kind, isFirst, created_ms);
    const value = dependentValue(kind, isFirst, own.time_ms, created_ms, state.own.amount);
    appendCorrection(this.out, own, this.place, isRetraction, marks, value);
  }

  /** Visits every counted order with its owner: its customer, or its session. */
  protected visit(visit: OrderVisitor, byCustomer: boolean): void {
    const entries = new OrderEntries();
    const state = new OrderState(this.ownRow.dimensions.length);
    this.heaps.orders.visit((hi, lo, bytes, start, end) => {
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
