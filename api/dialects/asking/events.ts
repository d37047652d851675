import { z } from 'zod';
import { type BusinessEvent, type StockLevel, zoneOf } from '../../../analytics/index.ts';
import { MASK } from '../../answers/index.ts';
import { ApiError, type RawCall } from '../../http/index.ts';
import type { Asking } from './asking.ts';

const PAGE_EVENTS = 1_000;
/** Events that an answer is made of one by one. */
export const MAX_READ_EVENTS = 50_000;

const eventSchema = z.looseObject({
  ...{ event_id: z.string(), type: z.string(), time: z.string() },
  session_id: z.string().nullable(),
  payload: z.looseObject({}).nullable().optional(),
});
const foundSchema = z.looseObject({ events: z.array(eventSchema), next_cursor: z.string().nullable() });
export type ReadEvent = z.output<typeof eventSchema>;

interface Wanted {
  readonly from_ms?: number;
  readonly to_ms: number;
  /** None: all. */
  readonly types?: readonly string[];
}

/** The newest events. */
export async function newestEvents(
  asking: Asking,
  call: RawCall,
  limit: number,
): Promise<readonly ReadEvent[]> {
  return (await asking.ask(call, '/events/search', { limit }, foundSchema)).events;
}

/** The newest event that a condition of the search language holds for. */
export async function newestEventWith(
  asking: Asking,
  call: RawCall,
  query: object,
): Promise<ReadEvent | undefined> {
  return (await asking.ask(call, '/events/search', { query, limit: 1 }, foundSchema)).events[0];
}

/**
 * All events of a range, the newest first. Throws 422 `query_too_large` beyond 50,000: an answer of some would be a
 * wrong number.
 */
export async function readEvents(
  asking: Asking,
  call: RawCall,
  { from_ms, to_ms, types }: Wanted,
): Promise<readonly ReadEvent[]> {
  const events: ReadEvent[] = [];
  const utc = zoneOf('UTC');
  let cursor: string | null = null;
  do {
    const body: object = {
      ...{ to: utc.format(to_ms), limit: PAGE_EVENTS },
      ...(from_ms === undefined ? {} : { from: utc.format(from_ms) }),
      ...(types === undefined ? {} : { query: { field: 'type', in: types } }),
      ...(cursor === null ? {} : { cursor }),
    };
    const page: z.output<typeof foundSchema> = await asking.ask(call, '/events/search', body, foundSchema);
    events.push(...page.events);
    cursor = page.next_cursor;
    if (events.length > MAX_READ_EVENTS) {
      throw new ApiError(
        'query_too_large',
        `The answer would be made of more than ${MAX_READ_EVENTS} events, read one by one. Ask the first API.`,
      );
    }
  } while (cursor !== null);
  return events;
}

/** Whether the payload of each is there: what is masked for the caller, or no more in the stream, is not. */
export function requirePayloads(events: readonly ReadEvent[]): void {
  const missing = events.filter(({ payload }) => payload === null || payload === undefined).length;
  if (missing === 0) return;
  throw new ApiError(
    'not_supported',
    `The answer is made of payloads, and those of ${missing} of ${events.length} events are not there any more.`,
  );
}

/** A member of a payload, at its top or in `data`. Throws 403 where it is masked: nothing is counted by a mask. */
function memberOf({ payload }: ReadEvent, name: string): unknown {
  const data = (payload?.data ?? {}) as Readonly<Record<string, unknown>>;
  const value = payload?.[name] ?? data[name];
  if (value === MASK) {
    throw new ApiError(
      'field_masked',
      `The answer is made of the member "${name}", which your role does not see.`,
    );
  }
  return value;
}

/** Events of leads, subscriptions, tickets or staff. */
export async function businessEvents(
  asking: Asking,
  call: RawCall,
  wanted: Wanted,
): Promise<readonly BusinessEvent[]> {
  const events = await readEvents(asking, call, wanted);
  requirePayloads(events);
  return events.map((event) => ({
    ...{ event_id: event.event_id, type: event.type, time_ms: Date.parse(event.time) },
    member: (name) => memberOf(event, name),
  }));
}

/**
 * What there is of each product: its newest level, those of its warehouses added up. Of levels of one time and warehouse
 * that with the greatest id counts, whatever came first.
 */
export function newestLevels(events: readonly ReadEvent[]): readonly StockLevel[] {
  const newest = new Map<string, StockLevel>();
  const inOrder = events.toSorted(
    (a, b) => Date.parse(b.time) - Date.parse(a.time) || (a.event_id > b.event_id ? -1 : 1),
  );
  for (const event of inOrder) {
    const [sku, quantity, point, place] = ['sku', 'quantity', 'reorder_point', 'warehouse'].map((name) =>
      memberOf(event, name),
    );
    const key = JSON.stringify([sku, place ?? null]);
    if (typeof sku !== 'string' || typeof quantity !== 'number' || newest.has(key)) continue;
    const reorder_point = typeof point === 'number' ? point : null;
    newest.set(key, { sku, quantity, reorder_point, as_of: event.time });
  }
  const levels = new Map<string, StockLevel>();
  for (const one of newest.values()) {
    const other = levels.get(one.sku);
    levels.set(one.sku, other === undefined ? one : together(other, one));
  }
  return [...levels.values()];
}

/** Two warehouses; as of the older of their levels. */
function together(one: StockLevel, other: StockLevel): StockLevel {
  const points = [one.reorder_point, other.reorder_point].filter((point) => point !== null);
  return {
    sku: one.sku,
    quantity: one.quantity + other.quantity,
    reorder_point: points.length === 0 ? null : points.reduce((sum, point) => sum + point, 0),
    as_of: Date.parse(one.as_of) < Date.parse(other.as_of) ? one.as_of : other.as_of,
  };
}
