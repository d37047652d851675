import { type Columns, type Dictionary, ROWS, RowBatch, type SourceRecord } from '../../engine/index.ts';
import { rowSchema } from '../rows/index.ts';
import type { Amendment, AmendTarget } from './amendment.ts';
import { correctionOf } from './identity.ts';

/** An exchange rate that an `fx.rate` event announces: `rate` units of `quote` for one of `base`, as decimal text. */
export interface AnnouncedRate {
  /** Of the event in the batch. */
  readonly row: number;
  readonly base: string;
  readonly quote: string;
  readonly rate: string;
}

/** Which events were seen, by the words of their ids. */
export interface KnownEventIds {
  /** `time_s`: when the event was, s; needed for old ones. */
  has(id0: number, id1: number, id2: number, time_s: number): boolean;
  /** When a newer one was, s; undefined where it is not known. May take long. */
  timeOf(id0: number, id1: number, id2: number): number | undefined;
}

const INITIAL = 4_096;

/**
 * The decoded events of one push, as columns. `own` has each event as it was sent: its row's `flags` is `original`,
 * `marks` 0, `origin` none, `retraction` 0, dimensions and amounts its own. Beside it lies what only dedup and the
 * ledger need. Used again for the next push: who takes it must not keep it.
 */
export class EventBatch {
  readonly own: RowBatch;
  /** 96 bits of the event id's hash, its identity; the tenant is part of it. */
  id0 = new Int32Array(INITIAL);
  id1 = new Int32Array(INITIAL);
  id2 = new Int32Array(INITIAL);
  /** Hash of everything else, whatever the order of members: tells a conflict from a duplicate. */
  payload = new Int32Array(INITIAL);
  /** Index in EVENT_TYPES, or -1 for a type that no metric knows; the type's text is the row's `type`. */
  kind = new Int32Array(INITIAL);
  /** The ticket that the event is about, 64 bits of its hash; both 0: none. */
  ticket_hi = new Int32Array(INITIAL);
  ticket_lo = new Int32Array(INITIAL);
  /** 1 where the event goes on; dedup sets 0. */
  live = new Uint8Array(INITIAL);
  /** The event id's UTF-8 where the event is a version of an order: `ids`[id_start, id_end). */
  ids = new Uint8Array(INITIAL * 16);
  id_start = new Int32Array(INITIAL);
  id_end = new Int32Array(INITIAL);
  #idsEnd = 0;
  /** Index in `records`. */
  record = new Int32Array(INITIAL);
  /** The messages of the push, valid until the source's next take. */
  records: readonly SourceRecord[] = [];
  /** Events before this time are no longer kept: a whole UTC day, ms; 0: all are. */
  cut_ms = 0;
  /** Rates that the batch's `fx.rate` events announce. */
  rates: AnnouncedRate[] = [];
  /** Those of its events that correct others. Their `id0` to `id2` say which correction it is, not of what. */
  amendments: Amendment[] = [];
  /** The ids that dedup knows; undefined where none is before. */
  known: KnownEventIds | undefined = undefined;

  constructor(dictionary: Dictionary, custom: readonly string[] = []) {
    this.own = new RowBatch(rowSchema(custom), dictionary);
  }

  get length(): number {
    return this.own.length;
  }

  /** Events that go on: dedup takes others out by their mark alone. */
  get [ROWS](): number {
    let live = 0;
    for (let row = 0; row < this.length; row++) live += this.live[row] as number;
    return live;
  }

  get dictionary(): Dictionary {
    return this.own.dictionary;
  }

  get columns(): Columns {
    return this.own.columns;
  }

  /** Ids of events that are known from the event at `row` on, though it has another identity. */
  get alsoKnown(): readonly {
    readonly row: number;
    readonly payload: number | undefined;
    readonly target: Pick<AmendTarget, 'id0' | 'id1' | 'id2' | 'isNew'>;
  }[] {
    return this.amendments.flatMap(({ row, erases, erased_payload, first_payload, targets: [target] }) => {
      if (!erases || target === undefined) return [];
      const known = erased_payload === undefined ? target : correctionOf(target, erased_payload);
      return [{ row, payload: erased_payload ?? first_payload, target: known }];
    });
  }

  clear(records: readonly SourceRecord[]): void {
    this.own.clear();
    this.records = records;
    this.rates = [];
    this.amendments = [];
    this.#idsEnd = 0;
  }

  /** Keeps the UTF-8 of an event's id, bytes [start, end). */
  setId(row: number, bytes: Uint8Array, start: number, end: number): void {
    const from = this.#idsEnd;
    const to = from + end - start;
    if (to > this.ids.length) {
      const grown = new Uint8Array(Math.max(this.ids.length * 2, to));
      grown.set(this.ids.subarray(0, from));
      this.ids = grown;
    }
    const { ids } = this;
    for (let at = start, own = from; at < end; at++, own++) ids[own] = bytes[at] as number;
    this.id_start[row] = from;
    this.id_end[row] = to;
    this.#idsEnd = to;
  }

  /** The index of a new event. */
  append(): number {
    const row = this.own.append();
    if (row >= this.live.length) this.#grow(this.own.columns.capacity);
    this.live[row] = 1;
    return row;
  }

  #grow(capacity: number): void {
    for (const name of [
      'id0',
      'id1',
      'id2',
      'payload',
      'kind',
      'ticket_hi',
      'ticket_lo',
      'record',
      'id_start',
      'id_end',
    ] as const) {
      const grown = new Int32Array(capacity);
      grown.set(this[name]);
      this[name] = grown;
    }
    const live = new Uint8Array(capacity);
    live.set(this.live);
    this.live = live;
  }
}
