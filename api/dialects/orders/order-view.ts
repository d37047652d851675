import { z } from 'zod';
import { memberOf, ORDER_MEMBERS } from '../../../analytics/index.ts';
import { currencyMember, money, moneyText } from './order-api-route.ts';

/** An order as the first API shows it. */
export const foundOrderSchema = z.looseObject({
  ...{ order_id: z.string().nullable(), order_key: z.string(), customer_id: z.string().nullable() },
  ...{ created_at: z.string(), updated_at: z.string(), status: z.string(), status_at: z.string() },
  ...{ payment_status: z.string(), payment_kind: z.string(), currency: z.string().nullable() },
  // Numbers, or a mask.
  ...{ amount: z.unknown(), discount: z.unknown(), shipping: z.unknown(), tax: z.unknown() },
  ...{ total: z.unknown(), paid: z.unknown(), refunded: z.unknown() },
  members: z.looseObject({}).nullable(),
});
export type FoundOrder = z.output<typeof foundOrderSchema>;

const text = z.string().nullable();

export const orderSchema = z.object({
  id: text.describe('The `order_id` of its events; null: they are not in the stream any more'),
  order_number: text.describe('`order_number` of its events, else its id'),
  ...{ status: z.string(), payment_status: z.string(), payment_method: text, source: text },
  currency: currencyMember,
  ...{ total: money('Subtotal less discount, with shipping and tax'), subtotal: money('Of the lines') },
  ...{ discount: money('Discount'), shipping: money('Shipping'), tax: money('Tax') },
  ...{ paid: money('Paid'), refunded: money('Refunded') },
  customer: z.object({ id: text, name: text, email: text, phone: text }),
  items: z.array(z.object({ sku: text, name: text, quantity: z.number().nullable(), price: money('Each') })),
  custom_fields: z.record(z.string(), z.unknown()),
  notes: text,
  ...{ created_at: z.string(), updated_at: z.string() },
});
export type OrderView = z.output<typeof orderSchema>;

type Members = Readonly<Record<string, unknown>>;
const objectOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;

/** An order as callers of this API see it. */
export function orderView(order: FoundOrder): OrderView {
  const members = objectOf(order.members);
  const data = objectOf(members.data);
  const { currency } = order;
  const amountOf = (value: unknown): string | null =>
    typeof value === 'number' ? moneyText(value, currency) : textOf(value);
  const said = (name: keyof typeof ORDER_MEMBERS): string | null =>
    ORDER_MEMBERS[name].reduce<string | null>(
      (found, path) => found ?? textOf(memberOf(members, path)),
      null,
    );
  const full = [said('first_name'), said('last_name')].filter((part) => part !== null);
  const items = Array.isArray(members.items) ? members.items.map(objectOf) : [];
  return {
    id: order.order_id,
    order_number: said('order_number') ?? order.order_id,
    ...{ status: order.status, payment_status: order.payment_status },
    payment_method: textOf(members.payment_method),
    source: textOf(members.source),
    currency,
    ...{ total: amountOf(order.total), subtotal: amountOf(order.amount), discount: amountOf(order.discount) },
    ...{ shipping: amountOf(order.shipping), tax: amountOf(order.tax) },
    ...{ paid: amountOf(order.paid), refunded: amountOf(order.refunded) },
    customer: {
      id: order.customer_id,
      name: said('customer_name') ?? (full.length === 0 ? null : full.join(' ')),
      ...{ email: said('email'), phone: said('phone') },
    },
    items: items.map(({ sku, name, quantity, unit_price }) => ({
      ...{ sku: textOf(sku), name: textOf(name) },
      quantity: typeof quantity === 'number' ? quantity : null,
      price: amountOf(unit_price),
    })),
    custom_fields: { ...objectOf(data.custom_fields) },
    notes: textOf(data.notes),
    ...{ created_at: order.created_at, updated_at: order.updated_at },
  };
}
