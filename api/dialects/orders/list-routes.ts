import { z } from 'zod';
import { ApiError, listQuery, type RawCall, type Route, route } from '../../http/index.ts';
import { type Asking, type Inquiries, newestEventWith } from '../asking/index.ts';
import { ORDERS } from '../orders-hooks/index.ts';
import { ASKED_PROBLEMS, CONTINUOUS, metaSchema } from './order-api-route.ts';
import {
  FILTER_MEMBERS,
  type FieldDimension,
  FOLLOW_UP,
  invalid,
  type OrderFilters,
  searchOf,
} from './order-filters.ts';
import { type FoundOrder, foundOrderSchema, orderSchema, orderView } from './order-view.ts';

const foundSchema = z.looseObject({
  orders_total: z.int().nullable(),
  orders: z.array(foundOrderSchema),
  next_cursor: z.string().nullable(),
});

const PROBLEMS = [...new Set([...ASKED_PROBLEMS, 'invalid_cursor', 'cursor_mismatch', 'not_found'] as const)];

export function listRoutes(inquiries: Inquiries, dimensionOf: FieldDimension): readonly Route[] {
  return [listRoute(inquiries, dimensionOf), oneRoute(inquiries)];
}

const CUSTOM_FIELD = /^custom_fields\[([a-z][a-z0-9_]*)\]$/;
const { limit, cursor } = listQuery;

const count = z
  .enum(['true', 'false'])
  .default('true')
  .describe('false: `total` is null, and a first page by status reads no more than it needs');

function listRoute(inquiries: Inquiries, dimensionOf: FieldDimension): Route {
  return route({
    id: 'ordersList',
    method: 'GET',
    path: '/orders',
    tag: 'Orders',
    face: ORDERS,
    summary: 'Orders as they are now, the newest first',
    description:
      'All filters have to be met. `custom_fields[<field_key>]=<value>` filters by a custom field that is ' +
      '`is_filterable`. Pages are of one state.',
    permission: 'events:read',
    audited: 'read',
    query: z
      .object({ ...FILTER_MEMBERS, order: z.enum(['asc', 'desc']).default('desc'), limit, cursor, count })
      .catchall(z.string().max(128)),
    query_example: { status: 'delivered', date_from: '2025-08-01', date_to: '2025-08-31', limit: '10' },
    answers: {
      200: {
        description: 'A page of orders',
        schema: z.object({
          data: z.array(orderSchema),
          total: z.int().nullable().describe('All that fit; null with `count=false`'),
          next_cursor: z.string().nullable(),
          meta: metaSchema,
        }),
      },
    },
    problems: PROBLEMS,
    handle: async (call) => {
      const { order, limit: size, cursor: after, count: isCounted, ...rest } = call.query;
      const asked = searchOf(inquiries, call, filtersOf(rest), dimensionOf);
      const body = {
        ...asked,
        order,
        limit: size,
        count: isCounted === 'true',
        ...(after === undefined ? {} : { cursor: after }),
      };
      const { answer, meta } = await inquiries.answered((asking) => search(asking, call, body));
      const { orders_total, orders, next_cursor } = answer;
      return {
        status: 200,
        json: {
          data: orders.map(orderView),
          ...{ total: orders_total, next_cursor, meta: { ...meta, ...CONTINUOUS } },
        },
      };
    },
  });
}

export const search = (asking: Asking, call: RawCall, body: object) =>
  asking.ask(call, '/orders/search', body, foundSchema);

/** Filters of a query: those with a name, and `custom_fields[…]`. */
function filtersOf(query: Readonly<Record<string, unknown>>): OrderFilters {
  const known: Record<string, unknown> = {};
  const custom_fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(query)) {
    const field = CUSTOM_FIELD.exec(name)?.[1];
    if (field !== undefined) custom_fields[field] = String(value);
    else if (Object.hasOwn(FILTER_MEMBERS, name)) known[name] = value;
    else
      throw invalid(
        name,
        `is not known; there are ${Object.keys(FILTER_MEMBERS).join(', ')}, custom_fields[…]`,
      );
  }
  return { ...known, custom_fields };
}

/** Longer than any history: what became of an order counts whenever it happened. */
const EVER = { start: '2000-01-01T00:00:00Z', end: '2100-01-01T00:00:00Z', follow_up: FOLLOW_UP };

/** Orders by their ids, of which some may not be there. */
export async function ordersOf(
  asking: Asking,
  call: RawCall,
  order_ids: readonly string[],
  wish: { readonly force_fresh?: boolean } = {},
): Promise<readonly FoundOrder[]> {
  return (await search(asking, call, { ...EVER, ...wish, order_ids, limit: order_ids.length })).orders;
}

function oneRoute(inquiries: Inquiries): Route {
  return route({
    id: 'ordersGet',
    method: 'GET',
    path: '/orders/{order}',
    tag: 'Orders',
    face: ORDERS,
    summary: 'One order, by its id or its order number',
    description:
      'The id is the `order_id` of its events, which is the order number of what was imported. Another ' +
      '`order_number` is looked for in the events themselves, the newest first, which takes longer.',
    permission: 'events:read',
    audited: 'read',
    params: z.object({ order: z.string().min(1).max(128) }),
    answers: { 200: { description: 'The order', schema: z.object({ data: orderSchema, meta: metaSchema }) } },
    problems: PROBLEMS,
    handle: async (call) => {
      const { answer, meta } = await inquiries.answered((asking) =>
        oneOrder(asking, call, call.params.order),
      );
      return { status: 200, json: { data: orderView(answer), meta: { ...meta, ...CONTINUOUS } } };
    },
  });
}

/** A number of an order may be a text or a number in its events. */
const numbered = (name: string): readonly (string | number)[] =>
  /^[1-9]\d{0,14}$/.test(name) ? [name, Number(name)] : [name];

async function oneOrder(asking: Asking, call: RawCall, name: string): Promise<FoundOrder> {
  const [byId] = await ordersOf(asking, call, [name]);
  if (byId !== undefined) return byId;
  const query = {
    and: [
      { field: 'type', in: ['order.created', 'order.updated'] },
      {
        or: ['order_number', 'data.order_number'].flatMap((field) =>
          numbered(name).map((eq) => ({ field, eq })),
        ),
      },
    ],
  };
  const id = (await newestEventWith(asking, call, query))?.order_id;
  const [byNumber] = typeof id === 'string' ? await ordersOf(asking, call, [id]) : [];
  if (byNumber === undefined) throw new ApiError('not_found', `There is no order "${name}".`);
  return byNumber;
}
