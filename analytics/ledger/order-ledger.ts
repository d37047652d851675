import type { HashColumn } from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, FLAG, HASH, MARK, NUMBER } from '../rows/index.ts';
import { appendCorrection, become, inheritInPlace, setOrder } from './corrections.ts';
import { CANCELLED, CREATED, FIRST_OF_ORDER } from './kinds.ts';
import { ORDER_HEAD_BYTES, ORDER_VERSIONS_DROPPED } from './order-entries.ts';
import {
  dependentMarks,
  dependentValue,
  LONE,
  ORDER_EVENTS_MAX,
  ORDER_RECORD_MAX_BYTES,
  orderMarks,
  setMarks,
} from './order-marks.ts';
import { OrderRemoval } from './order-removal.ts';
import { ENTRY_HEAD_BYTES, writeOwn } from './own-row.ts';

/** The part of the ledger that keeps orders, and whose they are. */
export class OrderLedger extends OrderRemoval {
  /** Events beyond `ORDER_EVENTS_MAX` of their order, so far. */
  frozen = 0;

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
    const { orders } = this.heaps;
    if (orders.open(hi, lo)) {
      this.entries.read(orders.bytes, orders.start, orders.end);
      this.#change(batch, row, hi, lo);
    } else this.#begin(batch, row, kind, hi, lo);
  }

  /** The first that is heard of an order. */
  #begin(batch: EventBatch, row: number, kind: number, hi: number, lo: number): void {
    const entries = this.entries;
    entries.clear();
    this.#addEntry(batch, row, true);
    if (kind === CREATED) {
      const { hashes } = batch.columns;
      const customer = hashes[HASH.customer] as HashColumn;
      const session = hashes[HASH.session] as HashColumn;
      const time_ms = batch.own.time_ms[row] as number;
      const event = (batch.columns.codes[CODE.event] as Int32Array)[row] as number;
      const ofCustomer = this.enter(
        this.customers,
        customer.hi[row] as number,
        customer.lo[row] as number,
        time_ms,
        event,
        hi,
        lo,
      );
      const ofSession = this.enter(
        this.sessions,
        session.hi[row] as number,
        session.lo[row] as number,
        time_ms,
        event,
        hi,
        lo,
      );
      const flags = ofCustomer | ofSession;
      this.record.bytes[ORDER_HEAD_BYTES - 1] = flags;
      setMarks(batch, row, orderMarks(flags), Number.NaN);
    }
    this.heaps.orders.put(hi, lo, this.record.bytes, this.record.length);
  }

  /** A further version of a known order. */
  #change(batch: EventBatch, row: number, hi: number, lo: number): void {
    const entries = this.entries;
    const before = this.before;
    const after = this.after;
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
      if (hadCreated >= 0) this.correctCounted(hadCreated, before, formerFlags, true);
      this.correctDependents(before, created_ms, true, isChanged);
      if (created >= 0) this.placeOrder(hi, lo, hadCreated >= 0, hadCreated !== created);
      if (created === added) {
        const own = this.read(entries, added);
        become(own, after.own);
        setOrder(batch.own, row, own);
        const flags = batch.columns.codes[CODE.flags] as Int32Array;
        flags[row] = FLAG.original | FLAG.merged;
        setMarks(batch, row, orderMarks(entries.flags), Number.NaN);
        if (hadCreated >= 0) this.#correctPlain(hadCreated);
      } else if (created >= 0) this.correctCounted(created, after, entries.flags, false);
      const now_ms = created < 0 ? Number.NaN : (entries.time_ms[created] as number);
      this.correctDependents(after, now_ms, false, isChanged);
    }
    if (created >= 0) after.shadowed[created] = 0;
    // What a newer version hides may be asked for again: when that one is corrected.
    const isFull = entries.count >= ORDER_EVENTS_MAX || entries.size_bytes >= ORDER_RECORD_MAX_BYTES;
    if (isFull) entries.flags |= ORDER_VERSIONS_DROPPED;
    entries.write(this.scratch, isFull ? after.shadowed : undefined);
    this.heaps.orders.put(hi, lo, this.scratch.bytes, this.scratch.length);
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
    const { orders } = this.heaps;
    const entries = this.entries;
    if (orders.open(hi, lo)) entries.read(orders.bytes, orders.start, orders.end);
    else entries.clear();
    const state = this.before;
    state.merge(entries);
    const { created } = entries;
    const created_ms = created < 0 ? Number.NaN : (entries.time_ms[created] as number);
    const former = entries.first[kind + 1] as number;
    const isKept = entries.count < ORDER_EVENTS_MAX && entries.size_bytes < ORDER_RECORD_MAX_BYTES;
    if (!isKept) this.frozen++;
    const added = isKept ? this.#addEntry(batch, row, false) : -1;
    const isFirst = isKept ? entries.first[kind + 1] === added : former < 0;
    if (isKept && isFirst && former >= 0 && FIRST_OF_ORDER[kind + 1] !== 0) {
      this.correctDependent(former, state, created_ms, true, true);
      this.correctDependent(former, state, created_ms, false, false);
    }
    if (state.hasVersion) inheritInPlace(batch.own, row, state.own);
    const time_ms = batch.own.time_ms[row] as number;
    const value = dependentValue(kind, isFirst, time_ms, created_ms, state.own.amount);
    setMarks(batch, row, dependentMarks(kind, isFirst, created_ms), value);
    if (isKept) orders.put(hi, lo, this.record.bytes, this.record.length);
  }

  /** Adds the batch's event to the entries. Their bytes then lie in `#record`, which is the order's new record. */
  #addEntry(batch: EventBatch, row: number, isVersion: boolean): number {
    const entries = this.entries;
    const record = this.record;
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
    const record = this.record;
    const start = batch.id_start[row] as number;
    const end = batch.id_end[row] as number;
    record.copy(batch.ids, start, end);
    record.u16(end - start);
    record.setU16(at + 1, record.length - at - ENTRY_HEAD_BYTES);
  }

  /** An `order.created` that is no longer the first stays as an event. */
  #correctPlain(entry: number): void {
    const own = this.read(this.entries, entry);
    appendCorrection(this.out, own, this.place, false, 0, Number.NaN);
  }
}
