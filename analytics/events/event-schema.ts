import { z } from 'zod';

const MAX_AMOUNT = Number.MAX_SAFE_INTEGER;

/** What keys of the state cannot tell apart: NUL separates their parts, half a surrogate pair has no UTF-8. */
const TEXT = /^[^\0\p{Cs}]*$/u;
const text = () => z.string().max(128).regex(TEXT, 'must not contain NUL or half of a surrogate pair');
const id = (what: string) => text().describe(what);
const dimension = (what: string) => text().describe(what);
const money = (what: string) =>
  z
    .int()
    .min(-MAX_AMOUNT)
    .max(MAX_AMOUNT)
    .describe(`${what}, integer in minor units of \`currency\` (ISO 4217 exponent)`);

export const MAX_ITEMS = 1_000;
/** Levels of objects and arrays in an event, itself included: what reads it may recurse. */
export const MAX_NESTING = 64;
/** A tenant is part of every key of the state. */
export const MAX_TENANT_CHARS = 128;

export const itemSchema = z
  .object({
    sku: text(),
    name: z.string().max(1_024).nullish(),
    category: text().nullish(),
    quantity: z.int().min(-1_000_000_000).max(1_000_000_000),
    unit_price: z.int().min(-MAX_AMOUNT).max(MAX_AMOUNT).describe('Minor units'),
  })
  .loose();

export const EVENT_TIME = 'RFC 3339 date-time with offset; aliases `ts`, `timestamp`, `occurred_at`';

/**
 * One event, as a flat JSON object. The API's validation, its OpenAPI and the limits of the fast
 * decoder all come from this schema. Members that it does not name are kept as if in `data`.
 */
export const eventSchema = z
  .object({
    event_id: text().min(1).describe('Unique within the tenant: the dedup key'),
    type: z
      .string()
      .min(1)
      .max(64)
      .describe('E.g. `order.created`; case, `.`, `_` and `-` make no difference'),
    time: z.string().max(64).describe(`Event time: ${EVENT_TIME}`),
    source: id('What sent it').nullish(),
    order_id: id('The order it belongs to').nullish(),
    customer_id: id('The customer').nullish(),
    session_id: id('The session').nullish(),
    channel: dimension('Sales channel').nullish(),
    country: dimension('Country').nullish(),
    currency: dimension('ISO 4217 code of the amounts').nullish(),
    sku: dimension('Stock keeping unit, where the event is about one').nullish(),
    category: dimension('Product category').nullish(),
    warehouse: dimension('Warehouse').nullish(),
    payment_method: dimension('Payment method').nullish(),
    customer_segment: dimension('Customer segment').nullish(),
    campaign: dimension('Marketing campaign').nullish(),
    status: dimension('Status of the order').nullish(),
    region: dimension('Region').nullish(),
    voucher_code: dimension('Voucher').nullish(),
    reason: dimension('Why, e.g. of a return').nullish(),
    amount: money('The amount of the event').nullish(),
    discount: money('Discount').nullish(),
    shipping: money('Shipping').nullish(),
    tax: money('Tax').nullish(),
    items: z
      .array(itemSchema)
      .max(MAX_ITEMS)
      .refine(
        (items) =>
          items.reduce((sum, { quantity, unit_price }) => sum + Math.abs(quantity * unit_price), 0) <=
          MAX_AMOUNT,
        'the lines add up to more than 2^53-1 minor units',
      )
      .nullish(),
    data: z.looseObject({}).nullish().describe('Anything else'),
  })
  .loose();

export type EventInput = z.infer<typeof eventSchema>;

export const TIME_ALIASES = ['ts', 'timestamp', 'occurred_at'] as const;

/** Limits on event time, ms. */
export const MAX_FUTURE_MS = 24 * 60 * 60 * 1_000;
export const MIN_EVENT_TIME_MS = Date.UTC(2000, 0, 1);
export const MAX_MESSAGE_BYTES = 1_048_576;
