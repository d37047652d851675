import { CODE, type EventTerms, FLAG, HASH, NUMBER, ROW_DIMENSIONS, timeOf } from '../analytics/index.ts';
import type { HashColumn, RowBatch } from '../engine/index.ts';
import { murmur128 } from '../operators/index.ts';

const words = new Uint32Array(4);

function hash(tenant: string, id: string): Uint32Array {
  const bytes = Buffer.from(`${tenant}/${id}`);
  murmur128(bytes, 0, bytes.length, 1, words);
  return words;
}

export const BENCH_TERMS: EventTerms = {
  typeOf: (type) => type,
  idHash: (tenant, id) => {
    const [hi = 0, lo = 0] = hash(tenant, id);
    return { hi: hi | 0, lo: lo | 0 };
  },
  eventCode: (tenant, id) => (hash(tenant, id)[0] as number) & 0x7fff_ffff,
};

const IDS = ['order_id', 'customer_id', 'session_id'] as const;
const AMOUNTS = ['amount', 'discount', 'shipping', 'tax'] as const;

/** The row of an event of the benches' traffic, by itself: no ledger, no dedup. */
export function appendEvent(batch: RowBatch, tenant: string, text: string, sequence: number): void {
  const event = JSON.parse(text) as Readonly<Record<string, string | undefined>>;
  const row = batch.append();
  const code = (value: string | undefined): number => batch.dictionary.codeOf(value ?? '');
  batch.time_ms[row] = timeOf(event.time ?? '');
  batch.sequence[row] = sequence;
  batch.part[row] = 0;
  batch.scope[row] = code(tenant);
  batch.itemCount[row] = 0;
  batch.itemStart[row] = 0;
  const { codes, hashes, numbers } = batch.columns;
  const set = (column: number, value: number): void => {
    (codes[column] as Int32Array)[row] = value;
  };
  set(CODE.retraction, 0);
  set(CODE.flags, FLAG.original);
  set(CODE.type, code(event.type));
  set(CODE.marks, 0);
  set(CODE.currency, code(event.currency));
  set(CODE.event, BENCH_TERMS.eventCode(tenant, event.event_id ?? ''));
  for (const [index, name] of ROW_DIMENSIONS.entries()) set(CODE.dimensions + index, code(event[name]));
  for (const [index, column] of [HASH.order, HASH.customer, HASH.session].entries()) {
    const id = event[IDS[index] as (typeof IDS)[number]];
    const { hi, lo } = id === undefined ? { hi: 0, lo: 0 } : BENCH_TERMS.idHash(tenant, id);
    (hashes[column] as HashColumn).hi[row] = hi;
    (hashes[column] as HashColumn).lo[row] = lo;
  }
  for (const column of numbers) column[row] = Number.NaN;
  for (const name of AMOUNTS) {
    const value = event[name];
    if (value !== undefined) (numbers[NUMBER[name]] as Float64Array)[row] = Number(value);
  }
}
