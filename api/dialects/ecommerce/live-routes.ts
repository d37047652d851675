import { z } from 'zod';
import {
  LEVEL_EVENT,
  type StockLevel,
  stockAlerts,
  type TimeRange,
  type Zone,
  zoneOf,
} from '../../../analytics/index.ts';
import { ApiError, type RawCall, type Route, route } from '../../http/index.ts';
import { type Asking, decimalOf, spoken, totalsOf } from '../asking/index.ts';
import { amount, count, currencyMember } from './ecommerce-route.ts';
import { ECOMMERCE } from './face.ts';
import { PERIOD_MEMBERS } from './periods.ts';

const MINUTE_MS = 60_000;
const ACTIVE_MS = 5 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
const RECENT_EVENTS = 20;
const PAGE_EVENTS = 1_000;
/** Events of five minutes, or levels of stock, that are read one by one. */
const MAX_EVENTS = 50_000;
/** The rate of sales that days of cover go by. */
const COVER_DAYS = 28;
const DAY_MS = 86_400_000;
/** Products whose sales are asked for at once. */
const SKUS_AT_ONCE = 100;
/** A level that is older says nothing of what there is now. */
const LEVELS_DAYS = 365;

const foundSchema = z.looseObject({
  events: z.array(
    z.looseObject({
      ...{ event_id: z.string(), type: z.string(), time: z.string() },
      session_id: z.string().nullable(),
      payload: z.looseObject({}).nullable().optional(),
    }),
  ),
  next_cursor: z.string().nullable(),
});
type Found = z.output<typeof foundSchema>['events'];

/** What happens now, and what is running out. */
export function liveRoutes(asking: Asking): Route[] {
  const { currency } = PERIOD_MEMBERS;
  return [
    route({
      id: 'ecommerceRealtime',
      audited: 'read',
      method: 'GET',
      path: '/realtime',
      tag: 'E-commerce',
      face: ECOMMERCE,
      summary: 'What happens now: sessions, orders and revenue, and the newest events',
      permission: 'kpis:read',
      query: z.strictObject({ currency }),
      answers: {
        200: {
          description: 'As of `timestamp`',
          schema: z.object({
            timestamp: z.string(),
            active_sessions: count.describe('Sessions with an event in the last 5 minutes'),
            currency: currencyMember,
            last_hour: z.object({ orders: count, revenue: amount }),
            today: z.object({ orders: count, revenue: amount }),
            recent_activity: z.array(
              z.object({ event_id: z.string(), type: z.string(), time: z.string() }).loose(),
            ),
          }),
        },
      },
      problems: ['currency_required', 'query_too_large', 'state_not_ready', 'fx_rate_missing'],
      handle: async (call) => ({ status: 200, json: await realtime(asking, call, call.query.currency) }),
    }),
    route({
      id: 'ecommerceInventoryAlerts',
      audited: 'read',
      method: 'GET',
      path: '/inventory/alerts',
      tag: 'E-commerce',
      face: ECOMMERCE,
      summary: 'Products that are out of stock, running low, or lie too long',
      description:
        `From the newest \`${LEVEL_EVENT}\` of each product in the last ${LEVELS_DAYS} days. Days of cover are what is ` +
        `there ÷ the units sold a day in the last ${COVER_DAYS} days.`,
      permission: 'kpis:read',
      query: z.strictObject({
        overstock_days: z.coerce
          .number()
          .int()
          .min(1)
          .max(3_650)
          .default(180)
          .describe('More days of cover than that, or no sale, is too much'),
      }),
      answers: {
        200: {
          description: 'The most urgent first',
          schema: z.object({
            timestamp: z.string(),
            products: count.describe('With a known level'),
            alerts: z.array(
              z.object({
                product_id: z.string(),
                alert: z.enum(['out_of_stock', 'low_stock', 'overstocked']),
                quantity: z.number(),
                reorder_point: z.number().nullable(),
                units_sold_28d: count,
                days_of_cover: z.number().nullable().describe('null: none was sold'),
                as_of: z.string().describe('Of the level'),
              }),
            ),
          }),
        },
      },
      problems: ['query_too_large', 'state_not_ready'],
      handle: async (call) => ({
        status: 200,
        json: await inventory(asking, call, call.query.overstock_days),
      }),
    }),
  ];
}

/** From then on to now, on whole minutes as queries want them. */
function since(start_ms: number, now_ms: number): TimeRange {
  return {
    start_ms: Math.floor(start_ms / MINUTE_MS) * MINUTE_MS,
    end_ms: (Math.floor(now_ms / MINUTE_MS) + 1) * MINUTE_MS,
  };
}

async function realtime(asking: Asking, call: RawCall, currency: string | undefined): Promise<object> {
  const now_ms = asking.now();
  const zone = asking.zoneOf(call.tenant);
  const money = currency === undefined ? {} : { currency: currency.toUpperCase() };
  const metrics = ['orders_count', 'revenue'];
  const kpis = (start_ms: number) =>
    asking.kpis(call, { ...spoken(since(start_ms, now_ms), zone), ...money, metrics });
  const [active, recent, hour, today] = await Promise.all([
    eventsOf(asking, call, { from: now_ms - ACTIVE_MS, to: now_ms + 1 }, undefined),
    asking.ask(call, '/events/search', { limit: RECENT_EVENTS }, foundSchema),
    kpis(now_ms - HOUR_MS),
    kpis(zone.startOfDay(zone.localDay(now_ms))),
  ]);
  const numbersOf = (answer: typeof hour) => {
    const { now } = totalsOf(answer);
    return { orders: now.orders_count ?? 0, revenue: decimalOf(now.revenue ?? 0, answer.currency) };
  };
  return {
    timestamp: zone.format(now_ms),
    active_sessions: new Set(active.flatMap(({ session_id }) => session_id ?? [])).size,
    currency: today.currency ?? hour.currency,
    last_hour: numbersOf(hour),
    today: numbersOf(today),
    recent_activity: recent.events.map(({ event_id, type, time, ...event }) => ({
      ...{ event_id, type, time },
      ...Object.fromEntries(
        ['order_id', 'customer_id', 'session_id'].flatMap((name) =>
          event[name] === null || event[name] === undefined ? [] : [[name, event[name]]],
        ),
      ),
    })),
  };
}

async function inventory(asking: Asking, call: RawCall, overstock_days: number): Promise<object> {
  const now_ms = asking.now();
  const utc: Zone = zoneOf('UTC');
  const range = { from: now_ms - LEVELS_DAYS * DAY_MS, to: now_ms + 1 };
  const events = await eventsOf(asking, call, range, LEVEL_EVENT);
  const levels: StockLevel[] = [];
  const seen = new Set<string>();
  // The newest first: the first of a product is what there is.
  for (const { time, payload } of events) {
    const level = levelOf(payload ?? {}, time);
    if (level === undefined || seen.has(level.sku)) continue;
    seen.add(level.sku);
    levels.push(level);
  }
  const sold = await soldUnits(asking, call, spoken(since(now_ms - COVER_DAYS * DAY_MS, now_ms), utc), [
    ...seen,
  ]);
  return {
    timestamp: utc.format(now_ms),
    products: levels.length,
    alerts: stockAlerts(levels, sold, { cover_days: COVER_DAYS, overstock_days }),
  };
}

function levelOf(payload: Readonly<Record<string, unknown>>, time: string): StockLevel | undefined {
  const data = (payload.data ?? {}) as Readonly<Record<string, unknown>>;
  const member = (name: string): unknown => payload[name] ?? data[name];
  const [sku, quantity, reorder_point] = [member('sku'), member('quantity'), member('reorder_point')];
  if (typeof sku !== 'string' || typeof quantity !== 'number') return undefined;
  return {
    sku,
    quantity,
    reorder_point: typeof reorder_point === 'number' ? reorder_point : null,
    as_of: time,
  };
}

async function soldUnits(
  asking: Asking,
  call: RawCall,
  range: { readonly start: string; readonly end: string },
  skus: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const sold = new Map<string, number>();
  for (let from = 0; from < skus.length; from += SKUS_AT_ONCE) {
    const sku = skus.slice(from, from + SKUS_AT_ONCE);
    const query = {
      ...range,
      metrics: ['units_sold'],
      group_by: ['sku'],
      filters: { sku },
      limit: SKUS_AT_ONCE,
    };
    const { groups } = await asking.kpis(call, query);
    for (const { key, totals } of groups) sold.set(key.sku ?? '', totals.units_sold ?? 0);
  }
  return sold;
}

/** All events of a range, the newest first. Throws 422 `query_too_large` beyond 50,000. */
async function eventsOf(
  asking: Asking,
  call: RawCall,
  { from, to }: { readonly from: number; readonly to: number },
  type: string | undefined,
): Promise<Found> {
  const events: Found = [];
  const utc = zoneOf('UTC');
  let cursor: string | null = null;
  do {
    const body: object = {
      ...{ from: utc.format(from), to: utc.format(to), limit: PAGE_EVENTS },
      ...(type === undefined ? {} : { query: { field: 'type', eq: type } }),
      ...(cursor === null ? {} : { cursor }),
    };
    const page: z.output<typeof foundSchema> = await asking.ask(call, '/events/search', body, foundSchema);
    events.push(...page.events);
    cursor = page.next_cursor;
    if (events.length > MAX_EVENTS) throw tooMany(`more than ${MAX_EVENTS} events were read`);
  } while (cursor !== null);
  return events;
}

const tooMany = (why: string): ApiError =>
  new ApiError(
    'query_too_large',
    `The answer would be of a part only: ${why}. Ask the first API for a smaller part.`,
  );
