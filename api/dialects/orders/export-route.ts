import { z } from 'zod';
import { type Cell, rowText } from '../../../runtime/index.ts';
import { BODY_PROBLEMS } from '../../answers/index.ts';
import { type RawCall, type Route, route } from '../../http/index.ts';
import type { Asking, Inquiries } from '../asking/index.ts';
import { ORDERS } from '../orders-hooks/index.ts';
import { search } from './list-routes.ts';
import { ASKED_PROBLEMS } from './order-api-route.ts';
import { FILTER_MEMBERS, type FieldDimension, invalid, searchOf } from './order-filters.ts';
import { type OrderView, orderView } from './order-view.ts';

/** Orders that are read at once. */
const PAGE_ORDERS = 1_000;

const COLUMNS: Readonly<Record<string, (order: OrderView) => Cell>> = {
  id: ({ id }) => id,
  order_number: ({ order_number }) => order_number,
  status: ({ status }) => status,
  payment_status: ({ payment_status }) => payment_status,
  payment_method: ({ payment_method }) => payment_method,
  source: ({ source }) => source,
  currency: ({ currency }) => currency,
  total: ({ total }) => number(total),
  subtotal: ({ subtotal }) => number(subtotal),
  discount: ({ discount }) => number(discount),
  shipping: ({ shipping }) => number(shipping),
  tax: ({ tax }) => number(tax),
  paid: ({ paid }) => number(paid),
  refunded: ({ refunded }) => number(refunded),
  customer_id: ({ customer }) => customer.id,
  customer_name: ({ customer }) => customer.name,
  customer_email: ({ customer }) => customer.email,
  customer_phone: ({ customer }) => customer.phone,
  items: ({ items }) => items.map(({ sku, name, quantity }) => `${quantity} × ${name ?? sku}`).join('; '),
  notes: ({ notes }) => notes,
  created_at: ({ created_at }) => created_at,
  updated_at: ({ updated_at }) => updated_at,
};
const DEFAULT_COLUMNS = [
  'order_number',
  'customer_name',
  'total',
  'currency',
  'status',
  'payment_status',
  'created_at',
];
const CUSTOM = /^custom_fields\.[a-z][a-z0-9_]*$/;
const DECIMAL = /^-?\d+(\.\d+)?$/;

/** A decimal is a number in a file, and no formula; a mask is a text. */
const number = (text: string | null): Cell => (text !== null && DECIMAL.test(text) ? { number: text } : text);

const body = z.strictObject({
  filters: z
    .strictObject({
      ...FILTER_MEMBERS,
      custom_fields: z
        .record(z.string().max(64), z.union([z.string().max(128), z.number(), z.boolean()]))
        .optional(),
    })
    .default({}),
  columns: z
    .array(z.string().max(80))
    .min(1)
    .max(100)
    .default(DEFAULT_COLUMNS)
    .describe(`Of ${Object.keys(COLUMNS).join(', ')}, custom_fields.<field_key>`),
});

/** Orders as a CSV file. */
export function exportRoute(inquiries: Inquiries, dimensionOf: FieldDimension): Route {
  return route({
    id: 'ordersExport',
    method: 'POST',
    path: '/orders/bulk/export',
    tag: 'Orders',
    face: ORDERS,
    summary: 'Orders as a CSV file',
    description:
      'The file is sent as it is made, page by page, with a bounded memory; all of it is of one state. CSV as that of ' +
      "exports: RFC 4180, UTF-8, `'` before a text that a spreadsheet would take for a formula. Oldest orders first.",
    permission: 'exports:create',
    audited: 'export',
    body,
    body_examples: {
      delivered: {
        summary: 'Delivered orders of two months',
        value: {
          filters: { status: 'delivered', date_from: '2025-08-01', date_to: '2025-09-01' },
          columns: ['order_number', 'customer_name', 'total', 'status', 'created_at'],
        },
      },
    },
    answers: { 200: { description: 'The file', content: { 'text/csv': { schema: z.string() } } } },
    problems: [...new Set([...BODY_PROBLEMS, ...ASKED_PROBLEMS])],
    handle: async (call) => {
      const { filters, columns } = call.body;
      const unknown = columns.findIndex((name) => !Object.hasOwn(COLUMNS, name) && !CUSTOM.test(name));
      if (unknown >= 0) throw invalid(`columns.${unknown}`, `is none of ${Object.keys(COLUMNS).join(', ')}`);
      const { custom_fields, ...rest } = filters;
      const asked = { ...rest, ...(custom_fields === undefined ? {} : { custom_fields }) };
      const query = { ...searchOf(inquiries, call, asked, dimensionOf), order: 'asc', limit: PAGE_ORDERS };
      // What is refused is refused before the file begins.
      const asking = inquiries.asking();
      const first = await search(asking, call, query);
      return {
        status: 200,
        headers: {
          'Content-Type': 'text/csv; charset=utf-8',
          'Content-Disposition': 'attachment; filename="orders.csv"',
        },
        stream: fileOf(asking, call, query, columns, first),
      };
    },
  });
}

type Found = Awaited<ReturnType<typeof search>>;

/** A page at a time, each when the client has taken the one before. */
function fileOf(
  asking: Asking,
  call: RawCall,
  query: object,
  columns: readonly string[],
  first: Found,
): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder();
  const text = rowText('csv', columns);
  let page: Found | undefined = first;
  let head = text.head;
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        if (page === undefined) return controller.close();
        const lines = page.orders.map((order) => {
          const view = orderView(order);
          return text.line(columns.map((name) => cellOf(view, name)));
        });
        controller.enqueue(utf8.encode(head + lines.join('')));
        head = '';
        const { next_cursor: cursor } = page;
        page = cursor === null ? undefined : await search(asking, call, { ...query, cursor });
      },
    },
    { highWaterMark: 1 },
  );
}

function cellOf(order: OrderView, name: string): Cell {
  const own = COLUMNS[name];
  if (own !== undefined) return own(order);
  const value = order.custom_fields[name.slice('custom_fields.'.length)];
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  return typeof value === 'number' ? { number: String(value) } : { json: JSON.stringify(value) };
}
