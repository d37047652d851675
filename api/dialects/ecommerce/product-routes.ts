import { z } from 'zod';
import { ApiError, type RawCall, type Route } from '../../http/index.ts';
import { type Asking, decimalOf, type Inquiries, shareOf, totalsOf } from '../asking/index.ts';
import { amount, count, currencyMember, endpoint, rate } from './ecommerce-route.ts';
import type { Period } from './periods.ts';

const SORTS = { revenue: 'revenue', quantity: 'units_sold', orders: 'orders_count' } as const;
const METRICS = ['revenue', 'units_sold', 'orders_count'] as const;
const MAX_PRODUCTS = 1_000;
/** Before every event. */
const ALL_TIME = '1970-01-01T00:00:00Z';

const productMembers = { revenue: amount, quantity: count, orders: count };
const returnsSchema = z.looseObject({
  totals: z.looseObject({ unit_return_rate: z.number().nullable(), units_returned: z.number() }),
});

const productOf = (numbers: Readonly<Record<string, number | null>>, currency: string | null) => ({
  revenue: decimalOf(numbers.revenue ?? 0, currency),
  quantity: numbers.units_sold ?? 0,
  orders: numbers.orders_count ?? 0,
});

/** What sells. */
export function productRoutes(inquiries: Inquiries): Route[] {
  return [
    endpoint(inquiries, {
      id: 'ecommerceTopProducts',
      path: '/products/top',
      summary: 'The products that sold best',
      query: {
        sort_by: z.enum(['revenue', 'quantity', 'orders']).default('revenue'),
        limit: z.coerce.number().int().min(1).max(MAX_PRODUCTS).default(10),
      },
      query_example: { limit: '5', sort_by: 'revenue' },
      answer: {
        currency: currencyMember,
        sort_by: z.string(),
        products: z.array(z.object({ product_id: z.string(), ...productMembers, share: rate })),
      },
      answerOf: async (asking, call, { query }) => {
        const { sort_by, limit } = call.query;
        const asked = {
          ...{ ...query, metrics: METRICS, group_by: ['sku'], order_by: { metric: SORTS[sort_by] } },
          // Items without a sku are a group, too, and no product.
          limit: Math.min(limit + 1, MAX_PRODUCTS),
        };
        const [top, all] = await Promise.all([
          asking.kpis(call, asked),
          asking.kpis(call, { ...query, metrics: ['revenue'] }),
        ]);
        const products = top.groups.flatMap(({ key: { sku }, totals }) =>
          sku === null || sku === undefined || (totals.orders_count ?? 0) === 0
            ? []
            : {
                product_id: sku,
                ...productOf(totals, top.currency),
                share: shareOf(totals.revenue ?? 0, totalsOf(all).now.revenue),
              },
        );
        return { currency: top.currency, sort_by, products: products.slice(0, limit) };
      },
    }),
    endpoint(inquiries, {
      id: 'ecommerceProduct',
      path: '/products/{product_id}',
      summary: 'One product: what it sold, day by day, and how much of it came back',
      params: z.object({ product_id: z.string().min(1).max(128) }),
      answer: {
        ...{ product_id: z.string(), currency: currencyMember, ...productMembers },
        share_of_revenue: rate,
        ...{ units_returned: count, return_rate: rate.describe('Returned ÷ sold units') },
        daily_trend: z.array(z.object({ date: z.string(), ...productMembers })),
      },
      answerOf: (asking, call, period) => productAnswer(asking, call, period, call.params.product_id),
    }),
  ];
}

async function productAnswer(
  asking: Asking,
  call: RawCall,
  { query }: Period,
  sku: string,
): Promise<Readonly<Record<string, unknown>>> {
  const filters = { sku };
  const { start, end } = query;
  const [daily, all, returns] = await Promise.all([
    asking.kpis(call, { ...query, metrics: METRICS, filters, granularity: '1d' }),
    asking.kpis(call, { ...query, metrics: ['revenue'] }),
    asking.ask(call, '/returns/summary', { start, end, filters }, returnsSchema),
  ]);
  const { now } = totalsOf(daily);
  if ((now.orders_count ?? 0) === 0) await requireSold(asking, call, end, sku);
  const currency = daily.currency ?? all.currency;
  return {
    ...{ product_id: sku, currency, ...productOf(now, currency) },
    share_of_revenue: shareOf(now.revenue ?? 0, totalsOf(all).now.revenue),
    units_returned: returns.totals.units_returned,
    return_rate: returns.totals.unit_return_rate,
    daily_trend: (daily.groups[0]?.buckets ?? []).map((bucket) => ({
      date: bucket.time,
      ...productOf(bucket as Readonly<Record<string, number>>, currency),
    })),
  };
}

/** Throws 404 for a product that no order has ever had. */
async function requireSold(asking: Asking, call: RawCall, end: string, sku: string): Promise<void> {
  const query = { start: ALL_TIME, end, metrics: ['orders_count'], filters: { sku } };
  const { now } = totalsOf(await asking.kpis(call, query));
  if ((now.orders_count ?? 0) > 0) return;
  throw new ApiError('not_found', `No order has an item of the product "${sku}".`);
}
