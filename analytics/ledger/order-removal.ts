import { MARK } from '../rows/index.ts';
import { appendCorrection, markDisplaced } from './corrections.ts';
import { ALWAYS, CANCELLED, CREATED } from './kinds.ts';
import { ORDER_FLAGS_COUNTED, ORDER_HEAD_BYTES, ORDER_VERSIONS_DROPPED } from './order-entries.ts';
import { dependentMarks, LONE } from './order-marks.ts';
import { OrderRows } from './order-rows.ts';
import { type OwnRow, readOwn } from './own-row.ts';

/** Takes events of orders back. */
export class OrderRemoval extends OrderRows {
  /** The event of an order as it was sent, into `own`, where its record has it. */
  sentAs(own: OwnRow): boolean {
    const { orders } = this.heaps;
    if (!orders.open(own.order_hi, own.order_lo)) return false;
    const entries = this.entries;
    entries.read(orders.bytes, orders.start, orders.end);
    const entry = entries.find(own.sequence, own.part);
    if (entry < 0) return false;
    this.reader.open(entries.bytes, entries.body[entry] as number);
    readOwn(this.reader, own);
    return true;
  }

  /** Whether what an order says without one of its versions is not known. */
  isUnknownWithout(own: OwnRow): boolean {
    const { orders } = this.heaps;
    if (!orders.open(own.order_hi, own.order_lo)) return false;
    return ((orders.bytes[orders.start + ORDER_HEAD_BYTES - 1] as number) & ORDER_VERSIONS_DROPPED) !== 0;
  }

  /** Takes a version back; `id0` and `id1` are of its event. */
  removeVersion(gone: OwnRow, id0: number, id1: number): void {
    const isLone = gone.order_hi === 0 && gone.order_lo === 0;
    if (isLone && gone.kind !== CREATED) {
      this.displace(gone, 0, Number.NaN);
      return;
    }
    const hi = isLone ? id0 ^ LONE : gone.order_hi;
    const lo = isLone ? id1 : gone.order_lo;
    const entries = this.entries;
    const entry = this.openEntry(hi, lo, gone);
    if (entry < 0) {
      this.displace(gone, 0, Number.NaN);
      return;
    }
    const before = this.before;
    const after = this.after;
    before.merge(entries);
    const hadCreated = entries.created;
    const created_ms = hadCreated < 0 ? Number.NaN : (entries.time_ms[hadCreated] as number);
    const isCounted = entry === hadCreated;
    const rest = this.other;
    entries.writeWithout(this.scratch, entry);
    rest.read(this.scratch.bytes, 0, this.scratch.length);
    after.merge(rest);
    const isChanged = !before.equals(after);
    if (!isCounted) this.displace(gone, 0, Number.NaN);
    if (isChanged || isCounted) {
      if (hadCreated >= 0) this.correctCounted(hadCreated, before, entries.flags, true);
      if (isCounted) markDisplaced(this.out, gone);
      this.correctDependents(before, created_ms, true, isChanged);
    }
    entries.read(
      Uint8Array.from(this.scratch.bytes.subarray(0, this.scratch.length)),
      0,
      this.scratch.length,
    );
    if (isChanged || isCounted) this.#sayWithout(hi, lo, hadCreated >= 0, isCounted, isChanged);
    entries.write(this.scratch, undefined);
    this.heaps.orders.put(hi, lo, this.scratch.bytes, this.scratch.length);
  }

  /** Says an order anew, one of whose versions is gone from its entries. */
  #sayWithout(hi: number, lo: number, had: boolean, isCounted: boolean, isChanged: boolean): void {
    const entries = this.entries;
    const after = this.after;
    const { created } = entries;
    if (created >= 0) {
      this.placeOrder(hi, lo, had, isCounted);
      // It was there as an event that counts for nothing.
      if (isCounted) appendCorrection(this.out, this.read(entries, created), this.place, true, 0, Number.NaN);
      this.correctCounted(created, after, entries.flags, false);
    } else if (had) {
      const { own } = this.before;
      this.leave(this.customers, own.customer_hi, own.customer_lo, hi, lo);
      this.leave(this.sessions, own.session_hi, own.session_lo, hi, lo);
      entries.flags &= ~ORDER_FLAGS_COUNTED;
    }
    const now_ms = created < 0 ? Number.NaN : (entries.time_ms[created] as number);
    this.correctDependents(after, now_ms, false, isChanged);
  }

  /** Takes an event back that has from its order what it lacks. */
  removeDependent(gone: OwnRow): void {
    const { kind } = gone;
    const [hi, lo] = [gone.order_hi, gone.order_lo];
    if (hi === 0 && lo === 0) {
      const marks = dependentMarks(kind, true, Number.NaN);
      if (kind === CANCELLED) this.displace(gone, marks | MARK.cancelled, gone.amount);
      else this.displace(gone, marks, Number.NaN);
      return;
    }
    const entries = this.entries;
    const entry = this.openEntry(hi, lo, gone);
    if (entry < 0) {
      this.displace(gone, ALWAYS[kind + 1] as number, Number.NaN);
      return;
    }
    const state = this.before;
    state.merge(entries);
    const created_ms = entries.created < 0 ? Number.NaN : (entries.time_ms[entries.created] as number);
    const isFirst = entries.first[kind + 1] === entry;
    this.correctDependent(entry, state, created_ms, isFirst, true);
    markDisplaced(this.out, gone);
    entries.writeWithout(this.scratch, entry);
    entries.read(
      Uint8Array.from(this.scratch.bytes.subarray(0, this.scratch.length)),
      0,
      this.scratch.length,
    );
    const next = entries.first[kind + 1] as number;
    if (isFirst && next >= 0) {
      this.correctDependent(next, state, created_ms, false, true);
      this.correctDependent(next, state, created_ms, true, false);
    }
    this.heaps.orders.put(hi, lo, this.scratch.bytes, this.scratch.length);
  }

  /** Opens an order's entries; the one of an event, or -1. */
  protected openEntry(hi: number, lo: number, { sequence, part }: OwnRow): number {
    const { orders } = this.heaps;
    if (!orders.open(hi, lo)) return -1;
    this.entries.read(orders.bytes, orders.start, orders.end);
    return this.entries.find(sequence, part);
  }

  /** Takes an event's own row back. */
  protected displace(own: OwnRow, marks: number, value: number): void {
    appendCorrection(this.out, own, this.place, true, marks, value);
    markDisplaced(this.out, own);
  }
}
