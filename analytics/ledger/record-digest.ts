import { ByteReader, type KvView, runRows } from '../../engine/index.ts';
import { mix32 } from '../../operators/index.ts';
import { EarliestOrders } from './earliest-orders.ts';
import { ORDER_FLAGS_COUNTED, OrderEntries } from './order-entries.ts';
import { RecordReader } from './record-bytes.ts';

/** Where the ledger keeps from when on it remembers. */
export const CUT_TABLE = 'cut';
export const CUT_KEY = Uint8Array.of(1);

/** The time before which entities are forgotten, ms; 0: none is. */
export function readCut(table: KvView): number {
  const stored = table.get(CUT_KEY);
  return stored === undefined ? 0 : new ByteReader(stored).u48();
}

/** Bytes of a key in front of a record. */
const KEY_BYTES = 8;

/**
 * One row for all records of a kind of entity: their number and the sum of a hash of each, of what the set of events
 * decides: which events each record holds, and which order is first. Codes, positions, and which orders are listed
 * behind the first are a matter of the way, as are records of owners whose orders all went to others. What is behind
 * the cut is forgotten, also where it waits to be removed.
 */
export function* recordRows(
  view: KvView,
  entity: 'orders' | 'customers' | 'sessions' | 'tickets',
  cut: KvView,
): Iterable<Uint8Array> {
  let records = 0;
  let sum = 0;
  const cut_ms = readCut(cut);
  for (const row of runRows(view)) {
    reader.open(row, KEY_BYTES);
    if (reader.u48() < cut_ms) continue;
    const hash =
      entity === 'orders' ? orderHash(row) : entity === 'customers' ? ownerHash(row) : pairHash(row);
    if (hash === undefined) continue;
    records++;
    sum = (sum + (hash % 2 ** 32)) % 2 ** 52;
  }
  if (records > 0) yield Buffer.from(`${records} records, sum ${sum}`);
}

/** 32 mixed bits of two words. */
function mixWords(a: number, b: number): number {
  return mix32(Math.imul(a | 0, 0x9e3779b1) ^ mix32(b + 0x7f4a7c15)) >>> 0;
}

const entries = new OrderEntries();
const earliest = new EarliestOrders();
const reader = new RecordReader();

/** Of any order of the words that `add` was given together. */
function keyHash(row: Uint8Array): number {
  reader.open(row, 0);
  return mixWords(reader.u32(), reader.u32());
}

function orderHash(row: Uint8Array): number | undefined {
  const key = keyHash(row);
  entries.read(row, KEY_BYTES, row.length);
  // All its events were taken back.
  if (entries.count === 0) return undefined;
  let hash = mixWords(key, entries.flags & ORDER_FLAGS_COUNTED);
  for (let entry = 0; entry < entries.count; entry++) {
    const time_ms = entries.time_ms[entry] as number;
    const place = mixWords(time_ms | 0, Math.floor(time_ms / 2 ** 32));
    // A sum: entries lie in the order in which they came.
    hash += mixWords(
      mixWords(place, entries.event[entry] as number),
      mixWords(key, entries.kind[entry] as number),
    );
  }
  return hash;
}

/** Of an owner with an order, by its first. Leaves the reader behind the orders. */
function ownerHash(row: Uint8Array): number | undefined {
  const key = keyHash(row);
  reader.open(row, KEY_BYTES);
  reader.u48();
  earliest.read(reader);
  if (earliest.count === 0) return undefined;
  return (
    key +
    mixWords(
      mixWords(key, earliest.event[0] as number),
      mixWords(earliest.hi[0] as number, earliest.lo[0] as number),
    )
  );
}

/** A session or a ticket: its first order, and the first of each of two kinds of events. */
function pairHash(row: Uint8Array): number | undefined {
  const key = keyHash(row);
  let hash = ownerHash(row);
  for (let slot = 0; slot < 2 && reader.at < row.length; slot++) {
    const length = reader.u16();
    const next = reader.at + length;
    if (length > 0) {
      const kind = reader.u8();
      reader.u16();
      const time_ms = reader.u48();
      const event = reader.u32();
      hash =
        (hash ?? key) +
        mixWords(mixWords(event, kind + slot * 256), mixWords(time_ms | 0, Math.floor(time_ms / 2 ** 32)));
    }
    reader.at = next;
  }
  return hash;
}
