import { z } from 'zod';
import { BODY_PROBLEMS, HEAD_PROBLEMS } from '../../answers/index.ts';
import { ApiError, type ProblemCode, type RawCall, type Route, route } from '../../http/index.ts';
import {
  type Asking,
  answerMetaSchema,
  decimalOf,
  type Inquiries,
  shareOf,
  totalsOf,
} from '../asking/index.ts';
import { VOUCHERS } from './face.ts';
import { SPAN_MEMBERS, type Span, spanOf, spanSchema } from './span.ts';

/** Before every event. */
const ALL_TIME = '1970-01-01T00:00:00Z';
const TOP_SEGMENTS = 5;

/** What the answers of the first API may be refused with. */
export const ASKED_PROBLEMS: readonly ProblemCode[] = [
  ...new Set<ProblemCode>([...HEAD_PROBLEMS, 'currency_required', 'fx_rate_missing', 'not_found']),
].filter((code) => !(BODY_PROBLEMS as readonly ProblemCode[]).includes(code));

const params = z.object({ voucher_id: z.string().min(1).max(128).describe('The code of the voucher') });
const currency = z
  .string()
  .regex(/^[A-Za-z]{3}$/, 'three letters')
  .optional()
  .describe("Converts all money; default: the tenant's, else the only one there is");
const money = z.number().nullable().describe('Major units of `currency`');
const head = { voucher_id: z.string(), code: z.string() };
const currencyMember = z.string().nullable();

const impactSchema = z.looseObject({
  totals: z.looseObject({ net: z.number() }),
  currency: z.string().optional(),
});
const membersSchema = z.looseObject({ customers_total: z.int() });

interface Asked {
  readonly call: RawCall;
  readonly span: Span;
  readonly code: string;
  /** Of every query: the span, the currency. */
  readonly query: { readonly start: string; readonly end: string; readonly currency?: string };
  /** Orders with the voucher. */
  readonly filters: { readonly voucher_code: string };
}

/** An endpoint about one voucher. */
function voucherRoute<Q extends z.ZodRawShape>(
  inquiries: Inquiries,
  spec: {
    readonly id: string;
    readonly path: string;
    readonly summary: string;
    readonly description: string;
    readonly query?: Q;
    readonly answer: z.ZodRawShape;
    answerOf(asking: Asking, asked: Asked, query: z.output<z.ZodObject<Q>>): Promise<object>;
  },
): Route {
  const { id, path, summary, description, answer } = spec;
  return route({
    ...{
      id,
      method: 'GET' as const,
      path: `/vouchers/{voucher_id}${path}`,
      tag: 'Vouchers',
      summary,
      description,
    },
    ...{ face: VOUCHERS, permission: 'kpis:read' as const, params },
    query: z.strictObject({ ...SPAN_MEMBERS, currency, ...spec.query }),
    answers: {
      200: { description: summary, schema: z.object({ ...head, ...answer, meta: answerMetaSchema }) },
    },
    problems: ASKED_PROBLEMS,
    handle: async (call) => {
      const given = call.query as z.output<z.ZodObject<typeof SPAN_MEMBERS>> & { readonly currency?: string };
      const span = spanOf(inquiries, call, given);
      const code = call.params.voucher_id;
      const target = given.currency === undefined ? {} : { currency: given.currency.toUpperCase() };
      const asked = {
        call,
        span,
        code,
        query: { ...span.query, ...target },
        filters: { voucher_code: code },
      };
      const { answer: own, meta } = await inquiries.answered((asking) =>
        spec.answerOf(asking, asked, call.query as z.output<z.ZodObject<Q>>),
      );
      return { status: 200, json: { voucher_id: code, code, ...own, meta } };
    },
  });
}

/** Where nothing is in the span: throws 404 for a voucher that no event has ever named. */
async function requireSeen(asking: Asking, { call, code, filters, span }: Asked): Promise<void> {
  const range = { start: ALL_TIME, end: span.zone.format(Math.max(span.end_ms, nextMinute(asking.now()))) };
  const metrics = ['orders_count', 'vouchers_validated', 'vouchers_redeemed'];
  const { now } = totalsOf(await asking.kpis(call, { ...range, metrics, filters }));
  if (metrics.some((name) => (now[name] ?? 0) > 0)) return;
  throw new ApiError('not_found', `No event names a voucher with the code "${code}".`);
}

const nextMinute = (time_ms: number): number => (Math.floor(time_ms / 60_000) + 1) * 60_000;

const INTERVALS = { day: '1d', week: '1w', month: '1M' } as const;

/** What a voucher brought, when, and by whom. */
export function voucherRoutes(inquiries: Inquiries): readonly Route[] {
  return [
    voucherRoute(inquiries, {
      id: 'voucherPerformance',
      path: '/performance',
      summary: 'What a voucher brought',
      description:
        '`total_uses` are orders with the voucher; `conversion_rate` is uses ÷ `voucher.validated` events of it, null ' +
        'without any; `revenue_impact` is the net revenue (less discounts and refunds) of those of these orders that ' +
        'are the first of their customer. Without dates: the last 30 days. At most 90 days.',
      answer: {
        performance: z.object({
          ...{ total_uses: z.number(), total_discount: money, conversion_rate: z.number().nullable() },
          ...{ avg_order_value: money, revenue_impact: money, currency: currencyMember },
        }),
        time_period: spanSchema,
      },
      answerOf: async (asking, asked) => {
        const { call, span, query, filters } = asked;
        const metrics = ['orders_count', 'discount_total', 'aov', 'vouchers_validated'];
        const impact = { ...query, filters, basis: 'order', orders: 'first', drivers: [] };
        const [kpis, first] = await Promise.all([
          asking.kpis(call, { ...query, metrics, filters }),
          asking.ask(call, '/refunds/impact', impact, impactSchema),
        ]);
        const { now } = totalsOf(kpis);
        const uses = now.orders_count ?? 0;
        if (uses === 0 && (now.vouchers_validated ?? 0) === 0) await requireSeen(asking, asked);
        return {
          performance: {
            total_uses: uses,
            total_discount: decimalOf(now.discount_total ?? 0, kpis.currency),
            conversion_rate: shareOf(uses, now.vouchers_validated ?? 0),
            avg_order_value: decimalOf(now.aov, kpis.currency),
            revenue_impact: decimalOf(first.totals.net, kpis.currency),
            currency: kpis.currency,
          },
          time_period: span.said,
        };
      },
    }),
    voucherRoute(inquiries, {
      id: 'voucherTrends',
      path: '/trends',
      summary: 'Uses of a voucher over time',
      description: '`uses` are orders with the voucher, `orders` all orders of that time.',
      query: { interval: z.enum(['day', 'week', 'month']).default('day') },
      answer: {
        currency: currencyMember,
        trends: z.array(
          z.object({ date: z.string(), uses: z.number(), discount: money, orders: z.number() }),
        ),
      },
      answerOf: async (asking, asked, { interval }) => {
        const { call, query, filters } = asked;
        const granularity = INTERVALS[interval];
        const [own, all] = await Promise.all([
          asking.kpis(call, { ...query, metrics: ['orders_count', 'discount_total'], filters, granularity }),
          asking.kpis(call, { ...query, metrics: ['orders_count'], granularity }),
        ]);
        const uses = numbersByTime(own);
        if (![...uses.values()].some(({ orders_count = 0 }) => orders_count > 0))
          await requireSeen(asking, asked);
        return {
          currency: own.currency,
          trends: [...numbersByTime(all)].map(([time, { orders_count }]) => ({
            date: time.slice(0, 10),
            uses: uses.get(time)?.orders_count ?? 0,
            discount: decimalOf(uses.get(time)?.discount_total ?? 0, own.currency),
            orders: orders_count ?? 0,
          })),
        };
      },
    }),
    voucherRoute(inquiries, {
      id: 'voucherCustomers',
      path: '/customers',
      summary: 'Who uses a voucher',
      description:
        'New customers are those whose first order has it. The value is the net revenue of orders with the voucher, a ' +
        'customer. Segments are those that orders say (`customer_segment`).',
      answer: {
        customer_insights: z.object({
          total_customers: z.number(),
          new_customers: z.number(),
          returning_customers: z.number(),
          avg_customer_value: money,
          currency: currencyMember,
          top_customer_segments: z.array(
            z.object({ segment: z.string(), count: z.number(), avg_order_value: money }),
          ),
        }),
      },
      answerOf: (asking, asked) => customerInsights(asking, asked),
    }),
  ];
}

function numbersByTime({ groups }: Awaited<ReturnType<Asking['kpis']>>) {
  return new Map((groups[0]?.buckets ?? []).map((bucket) => [bucket.time, bucket as unknown as Numbers]));
}
type Numbers = Readonly<Record<'orders_count' | 'discount_total', number | undefined>>;

async function customerInsights(
  asking: Asking,
  asked: Asked,
): Promise<{ readonly customer_insights: object }> {
  const { call, query, filters } = asked;
  const rule = { event: 'order.created', filters, gte: 1 };
  const [members, totals, segments] = await Promise.all([
    asking.ask(call, '/customers/segment', { ...query, rule, limit: 0 }, membersSchema),
    asking.kpis(call, { ...query, metrics: ['customers_new', 'revenue_net'], filters }),
    asking.kpis(call, {
      ...{ ...query, metrics: ['customers_active', 'aov'], filters, group_by: ['customer_segment'] },
      ...{ order_by: { metric: 'customers_active' }, limit: TOP_SEGMENTS + 1 },
    }),
  ]);
  const { now } = totalsOf(totals);
  const total = members.customers_total;
  if (total === 0) await requireSeen(asking, asked);
  const fresh = now.customers_new ?? 0;
  return {
    customer_insights: {
      ...{ total_customers: total, new_customers: fresh, returning_customers: total - fresh },
      avg_customer_value: total === 0 ? null : decimalOf((now.revenue_net ?? 0) / total, totals.currency),
      currency: totals.currency,
      top_customer_segments: segments.groups
        .flatMap(({ key, totals: { customers_active, aov } }) =>
          typeof key.customer_segment === 'string' && (customers_active ?? 0) > 0
            ? {
                ...{ segment: key.customer_segment, count: customers_active },
                avg_order_value: decimalOf(aov, segments.currency),
              }
            : [],
        )
        .slice(0, TOP_SEGMENTS),
    },
  };
}
