import type { SourceRecord } from '../../engine/index.ts';
import { Dictionary } from '../../engine/log/index.ts';
import { CODE, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';
import { ColumnDecoder, type ColumnDecoderConfig } from './column-decoder.ts';
import { EventBatch } from './event-batch.ts';

export const NOW_MS = Date.UTC(2025, 7, 1, 12);
export const GOOD = { event_id: 'e1', type: 'order.created', time: '2025-08-01T10:00:00Z' };

export function eventText(members: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ ...GOOD, ...members });
}

export function recordOf(
  data: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  subject = 'events.acme.x',
): SourceRecord {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    sequence: 42,
    subject,
    data: typeof data === 'string' ? Buffer.from(data) : data,
    hasHeaders: byName.size > 0,
    header: (name) => byName.get(name.toLowerCase()),
    headers: () => Object.entries(headers),
  };
}

/** One event of a batch, with texts for codes. */
export function rowOf(
  batch: EventBatch,
  row: number,
  custom: readonly string[] = [],
): Record<string, unknown> {
  const { own, dictionary } = batch;
  const { codes, hashes, numbers } = own.columns;
  const text = (column: number): string => dictionary.textOf(codes[column]?.[row] as number);
  const hash = (column: number): string => `${hashes[column]?.hi[row]}/${hashes[column]?.lo[row]}`;
  const number = (column: number): number => numbers[column]?.[row] as number;
  const start = own.itemStart[row] as number;
  const items = Array.from({ length: own.itemCount[row] as number }, (_, index) => ({
    sku: dictionary.textOf(own.items.codes[ITEM_CODE.sku]?.[start + index] as number),
    category: dictionary.textOf(own.items.codes[ITEM_CODE.category]?.[start + index] as number),
    quantity: own.items.numbers[ITEM_NUMBER.quantity]?.[start + index],
    unit_price: own.items.numbers[ITEM_NUMBER.unit_price]?.[start + index],
  }));
  return {
    tenant: dictionary.textOf(own.scope[row] as number),
    sequence: own.sequence[row],
    part: own.part[row],
    record: batch.record[row],
    time_ms: own.time_ms[row],
    type: text(CODE.type),
    kind: batch.kind[row],
    currency: text(CODE.currency),
    ...Object.fromEntries(
      [...ROW_DIMENSIONS, ...custom].map((name, index) => [name, text(CODE.dimensions + index)]),
    ),
    order: hash(HASH.order),
    customer: hash(HASH.customer),
    session: hash(HASH.session),
    ticket: `${batch.ticket_hi[row]}/${batch.ticket_lo[row]}`,
    amount: number(NUMBER.amount),
    discount: number(NUMBER.discount),
    shipping: number(NUMBER.shipping),
    tax: number(NUMBER.tax),
    value: number(NUMBER.value),
    origin: number(NUMBER.origin),
    constants: [codes[CODE.retraction]?.[row], codes[CODE.flags]?.[row], codes[CODE.marks]?.[row]],
    event: codes[CODE.event]?.[row],
    id: `${batch.id0[row]}/${batch.id1[row]}/${batch.id2[row]}`,
    payload: batch.payload[row],
    live: batch.live[row],
    items,
  };
}

export interface DecodedBatch {
  readonly batch: EventBatch;
  readonly rows: Record<string, unknown>[];
  /** `code@part` of each rejection. */
  readonly rejected: string[];
  readonly bytes: string[];
  readonly details: string[];
  readonly tenants: string[];
  readonly badRates: string[];
}

/** A decoder with what it needs, for any number of pushes. */
export function decoding(config: Omit<ColumnDecoderConfig, 'dictionary'> = {}) {
  const dictionary = new Dictionary();
  const decoder = new ColumnDecoder({ dictionary, ...config });
  const batch = new EventBatch(dictionary, config.custom);
  return (...records: SourceRecord[]): DecodedBatch => {
    const result: DecodedBatch = {
      batch,
      rows: [],
      rejected: [],
      bytes: [],
      details: [],
      tenants: [],
      badRates: [],
    };
    batch.clear(records);
    decoder.decodeAll(batch, NOW_MS, {
      reject: ({ part, tenant }, { code, detail }, bytes) => {
        result.rejected.push(`${code}@${part}`);
        result.details.push(detail);
        result.bytes.push(Buffer.from(bytes).toString());
        result.tenants.push(tenant);
      },
      badRate: ({ part }) => void result.badRates.push(`@${part}`),
    });
    for (let row = 0; row < batch.length; row++) result.rows.push(rowOf(batch, row, config.custom));
    return result;
  };
}

/** What a decoder without a past makes of records. */
export function decoded(...records: SourceRecord[]): DecodedBatch {
  return decoding()(...records);
}
