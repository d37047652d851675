import { z } from 'zod';
import { LEVEL_EVENT, zoneOf } from '../../../analytics/index.ts';
import { type RawCall, type Route, route } from '../../http/index.ts';
import {
  type Asking,
  answerMetaSchema,
  COVER_DAYS,
  decimalOf,
  type Inquiries,
  LEVELS_DAYS,
  newestEvents,
  readEvents,
  spoken,
  stockAt,
  totalsOf,
  wholeMinutes,
} from '../asking/index.ts';
import { amount, count, currencyMember } from './ecommerce-route.ts';
import { ECOMMERCE } from './face.ts';
import { PERIOD_MEMBERS } from './periods.ts';

const MINUTE_MS = 60_000;
const ACTIVE_MS = 5 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
const RECENT_EVENTS = 20;
/** What happens now, and what is running out. */
export function liveRoutes(inquiries: Inquiries): Route[] {
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
            meta: answerMetaSchema,
          }),
        },
      },
      problems: ['currency_required', 'query_too_large', 'state_not_ready', 'fx_rate_missing'],
      handle: async (call) => {
        const { answer, meta } = await inquiries.answered((asking) =>
          realtime(asking, call, call.query.currency),
        );
        return { status: 200, json: { ...answer, meta } };
      },
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
            meta: answerMetaSchema,
          }),
        },
      },
      problems: ['query_too_large', 'state_not_ready'],
      handle: async (call) => {
        const { answer, meta } = await inquiries.answered((asking) =>
          inventory(asking, call, call.query.overstock_days),
        );
        return { status: 200, json: { ...answer, meta } };
      },
    }),
  ];
}

async function realtime(asking: Asking, call: RawCall, currency: string | undefined): Promise<object> {
  const now_ms = asking.now();
  const zone = asking.zoneOf(call.tenant);
  const money = currency === undefined ? {} : { currency: currency.toUpperCase() };
  const metrics = ['orders_count', 'revenue'];
  const kpis = (start_ms: number) =>
    asking.kpis(call, { ...spoken(wholeMinutes(start_ms, now_ms), zone), ...money, metrics });
  const [active, recent, hour, today] = await Promise.all([
    readEvents(asking, call, { from_ms: now_ms - ACTIVE_MS, to_ms: now_ms + 1 }),
    newestEvents(asking, call, RECENT_EVENTS),
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
    recent_activity: recent.map(({ event_id, type, time, ...event }) => ({
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
  const at_ms = asking.now();
  const { levels, alerts } = await stockAt(asking, call, { at_ms, overstock_days });
  return { timestamp: zoneOf('UTC').format(at_ms), products: levels.length, alerts };
}
