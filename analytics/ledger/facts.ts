import type { ByteReader, ByteWriter, Codec } from '../../engine/index.ts';
import type { EntityDefinition } from '../../operators/index.ts';
import { type Line, type OrderEvent, T } from '../events/index.ts';

/** Where a fact counts: what has to be known to take it back. */
export interface FactPlace {
  readonly currency: string;
  /** By index in DIMENSIONS. */
  readonly dimensions: readonly string[];
  /** Distinct (sku, category) of the items, in order; null when the event had none; never empty. */
  readonly items: readonly (readonly [sku: string, category: string])[] | null;
}

export function placeOf({ currency, dimensions, items }: OrderEvent): FactPlace {
  // An empty list counts as none, as in the event's own rows: both must name the same cells.
  return { currency, dimensions, items: items === null || items.length === 0 ? null : distinctItems(items) };
}

function distinctItems(lines: readonly Line[]): readonly (readonly [string, string])[] {
  const pairs = new Map<string, readonly [string, string]>();
  for (const { sku, category } of lines) pairs.set(`${sku}\0${category}`, [sku, category]);
  return [...pairs.values()];
}

export const factPlaceCodec: Codec<FactPlace> = {
  write: (writer: ByteWriter, { currency, dimensions, items }: FactPlace) => {
    writer.string(currency);
    let mask = 0;
    for (let index = dimensions.length - 1; index >= 0; index--)
      mask = mask * 2 + (dimensions[index] === '' ? 0 : 1);
    writer.varint(mask).u8(dimensions.length);
    for (const value of dimensions) if (value !== '') writer.string(value);
    writer.varint(items === null ? 0 : items.length + 1);
    for (const [sku, category] of items ?? []) writer.string(sku).string(category);
  },
  read: (reader: ByteReader) => {
    const currency = reader.string();
    const mask = reader.varint();
    const count = reader.u8();
    const dimensions: string[] = [];
    for (let index = 0; index < count; index++) {
      dimensions.push(Math.floor(mask / 2 ** index) % 2 === 1 ? reader.string() : '');
    }
    const length = reader.varint();
    let items: [string, string][] | null = null;
    if (length > 0) {
      items = [];
      for (let left = length - 1; left > 0; left--) items.push([reader.string(), reader.string()]);
    }
    return { currency, dimensions, items };
  },
};

const NONE: readonly number[] = [];

/** Slot lists by event type, so that the hot path indexes an array. */
function slotsByType(types: Readonly<Record<number, number>>): (event: OrderEvent) => readonly number[] {
  const lists: (readonly number[])[] = [];
  for (const [type, slot] of Object.entries(types)) lists[Number(type)] = [slot];
  return (event) => (event.type < 0 ? NONE : (lists[event.type] ?? NONE));
}

/** Events of one type claim the same slots. */
export function kindOf({ type }: OrderEvent): number {
  return type + 1;
}

export const ORDER = 0;
export const CUSTOMER = 1;
export const SESSION = 2;
export const TICKET = 3;

export const ORDER_SLOTS = [
  'created',
  'paid',
  'shipped',
  'delivered',
  'cancelled',
  'rto',
  'refunded',
] as const;
export const CREATED = 0;
export const SHIPPED = 2;
export const OPENED = 0;
export const FIRST_RESPONSE = 1;

/** Of these slots each needs the other, for the time between the two. */
function pair(slots: number, from: number, to: number): readonly (readonly number[])[] {
  return Array.from({ length: slots }, (_, slot) => (slot === from ? [to] : slot === to ? [from] : NONE));
}

/** The entities whose firsts the metrics count. The order is that of the constants above. */
export const ENTITIES: readonly EntityDefinition<OrderEvent>[] = [
  {
    name: 'order',
    slots: ORDER_SLOTS,
    slotsOf: slotsByType({
      [T['order.created']]: 0,
      [T['payment.succeeded']]: 1,
      [T['order.shipped']]: 2,
      [T['order.delivered']]: 3,
      [T['order.cancelled']]: 4,
      [T['order.rto']]: 5,
      [T['refund.issued']]: 6,
    }),
    keyOf: (event) => event.order_id,
    alongWith: pair(ORDER_SLOTS.length, CREATED, SHIPPED),
  },
  {
    name: 'customer',
    slots: ['first_order'],
    slotsOf: slotsByType({ [T['order.created']]: 0 }),
    keyOf: (event) => event.customer_id,
    alongWith: [],
  },
  {
    name: 'session',
    slots: ['visit', 'cart', 'order'],
    slotsOf: slotsByType({ [T.visit]: 0, [T['add.to.cart']]: 1, [T['order.created']]: 2 }),
    keyOf: (event) => event.session_id,
    alongWith: [],
  },
  {
    name: 'ticket',
    slots: ['opened', 'first_response'],
    slotsOf: slotsByType({ [T['ticket.opened']]: OPENED, [T['ticket.first.response']]: FIRST_RESPONSE }),
    keyOf: ticketKey,
    alongWith: pair(2, OPENED, FIRST_RESPONSE),
  },
];

/** A ticket is known by its `ticket_id` member, else by the order it is about. */
function ticketKey(event: OrderEvent): string {
  const id = event.extra?.ticket_id;
  return typeof id === 'string' ? id : typeof id === 'number' ? String(id) : event.order_id;
}
