import { z } from 'zod';
import { T, typeCode } from './event-types.ts';

/** Characters of an id or a dimension. */
export const MAX_TEXT_CHARS = 128;
const MAX_AMOUNT = Number.MAX_SAFE_INTEGER;

/** What keys of the state cannot tell apart: NUL separates their parts, half a surrogate pair has no UTF-8. */
const TEXT = /^[^\0\p{Cs}]*$/u;
const NO_TEXT = 'must not contain NUL or half of a surrogate pair';
const text = () => z.string().max(MAX_TEXT_CHARS).regex(TEXT, NO_TEXT);
/** What is said of an id that is no string; where it is absent the default says so. */
const NO_ID = ({ input }: { readonly input?: unknown }) =>
  input == null || typeof input === 'string'
    ? undefined
    : 'must be a string: put a number in quotes, so that no digit of it is lost';
const id = (what: string) =>
  z.string({ error: NO_ID }).max(MAX_TEXT_CHARS).regex(TEXT, NO_TEXT).describe(what);
const NO_CURRENCY = 'must be three letters, a code of ISO 4217 such as EUR';
const dimension = (what: string) => text().describe(what);
const money = (what: string) =>
  z
    .int({ error: 'must be an integer of minor units, at most 2^53-1 either way' })
    .min(-MAX_AMOUNT)
    .max(MAX_AMOUNT)
    .describe(`${what}, integer in minor units of \`currency\` (ISO 4217 exponent)`);

const NEGATIVE_REFUND = 'must not be negative: a refund is said by its positive amount';

export const MAX_ITEMS = 1_000;
export const MAX_ITEM_NAME_CHARS = 1_024;
/** Of one line, either way: money times it stays exact. */
export const MAX_QUANTITY = 1_000_000_000;
/** Levels of objects and arrays in an event, itself included: what reads it may recurse. */
export const MAX_NESTING = 64;
/** A tenant is part of every key of the state. */
export const MAX_TENANT_CHARS = 128;
/** In the place of the tenant: no tenant has such a name. */
export const RESENDS_TENANT = '_resends';
/**
 * Where whoever may publish for all tenants says which removed messages were sent again. A tenant's publisher may not:
 * whose a removed message was nobody knows.
 */
export const RESENDS_SUBJECT = `events.${RESENDS_TENANT}`;

export const itemSchema = z
  .object({
    sku: text(),
    name: z.string().max(MAX_ITEM_NAME_CHARS).nullish(),
    category: text().nullish(),
    quantity: z.int().min(-MAX_QUANTITY).max(MAX_QUANTITY),
    unit_price: z.int().min(-MAX_AMOUNT).max(MAX_AMOUNT).describe('Minor units'),
  })
  .loose();

export const EVENT_TIME = 'RFC 3339 date-time with offset; aliases `ts`, `timestamp`, `occurred_at`';
/** What a time must be; epoch numbers and local times say no zone, or no unit. */
export const TIME_FORMS =
  'an RFC 3339 date-time with an offset, e.g. 2025-08-01T12:00:00Z or 2025-08-01T14:00:00.250+02:00; epoch numbers are not taken';

/**
 * One event, as a flat JSON object. The API's validation, its OpenAPI and the limits of the fast
 * decoder all come from this schema. Members that it does not name are kept as if in `data`.
 */
export const eventSchema = z
  .object({
    event_id: id('Unique within the tenant: the dedup key').min(1),
    type: z
      .string()
      .min(1)
      .max(64)
      .regex(TEXT, NO_TEXT)
      .describe('E.g. `order.created`; case, `.`, `_` and `-` make no difference'),
    time: z
      .string({ error: `must be ${TIME_FORMS}` })
      .max(64)
      .describe(`Event time: ${EVENT_TIME}`),
    source: id('What sent it').nullish(),
    order_id: id('The order it belongs to').nullish(),
    customer_id: id('The customer').nullish(),
    session_id: id('The session').nullish(),
    channel: dimension('Sales channel').nullish(),
    country: dimension('Country').nullish(),
    currency: z
      .string()
      .length(3, { error: NO_CURRENCY, abort: true })
      .regex(/^[A-Za-z]{3}$/, NO_CURRENCY)
      .describe('ISO 4217 code of the amounts; upper-cased')
      .nullish(),
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
  .loose()
  .superRefine(({ type, amount }, context) => {
    if (amount != null && amount < 0 && typeCode(type) === T['refund.issued'])
      context.addIssue({ code: 'custom', path: ['amount'], message: NEGATIVE_REFUND });
  });

export type EventInput = z.infer<typeof eventSchema>;

export const TIME_ALIASES = ['ts', 'timestamp', 'occurred_at'] as const;

/** Limits on event time, ms. */
export const MAX_FUTURE_MS = 24 * 60 * 60 * 1_000;
export const MIN_EVENT_TIME_MS = Date.UTC(2000, 0, 1);
export const MAX_MESSAGE_BYTES = 1_048_576;
