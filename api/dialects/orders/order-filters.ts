import { z } from 'zod';
import { PAYMENT_STATUSES } from '../../../analytics/index.ts';
import { ApiError, type RawCall } from '../../http/index.ts';
import { type Asking, dayOf, spoken } from '../asking/index.ts';

/** Before and after every event. */
const ALL_TIME = { start: '2000-01-01T00:00:00Z', end: '2100-01-01T00:00:00Z' } as const;
/** What comes of an order for so long after it counts: the longest that can be asked for. */
export const FOLLOW_UP = '3660d';
const MAX_VALUES = 100;

const date = (what: string) => z.string().max(10).optional().describe(`${what}, YYYY-MM-DD, included`);
const id = (what: string) => z.string().min(1).max(128).optional().describe(what);
const listed = (what: string) =>
  z.string().min(1).max(4_096).optional().describe(`${what}; several with commas`);

/** What orders are filtered by: query parameters of the list, members of an export's `filters`. */
export const FILTER_MEMBERS = {
  status: listed('Status that it has now'),
  payment_status: listed(`One of ${PAYMENT_STATUSES.join(', ')}`),
  ...{ date_from: date('First day of creation'), date_to: date('Last day of creation') },
  source: id('Source of the order'),
  customer_id: id('Whose it is'),
  payment_method: id('Payment method'),
};

const filterSchema = z.object(FILTER_MEMBERS);
export interface OrderFilters extends z.output<typeof filterSchema> {
  readonly custom_fields?: Readonly<Record<string, string | number | boolean>>;
}

/** Which dimension of the first API a custom field is filtered by; undefined: by none. */
export type FieldDimension = (tenant: string, field_key: string) => string | undefined;

/** The body of `/orders/search` for some filters. Throws ApiError 422. */
export function searchOf(
  surroundings: Pick<Asking, 'zoneOf'>,
  { tenant }: Pick<RawCall, 'tenant'>,
  filters: OrderFilters,
  dimensionOf: FieldDimension,
): Readonly<Record<string, unknown>> {
  const { status, payment_status, source, customer_id, payment_method, custom_fields = {} } = filters;
  const own = Object.entries(custom_fields).map(([key, value]): [string, string] => {
    const dimension = dimensionOf(tenant, key);
    if (dimension === undefined)
      throw invalid(
        `custom_fields.${key}`,
        'is no custom field that orders can be filtered by (is_filterable)',
      );
    return [dimension, String(value)];
  });
  const dimensions = {
    ...(source === undefined ? {} : { source }),
    ...(payment_method === undefined ? {} : { payment_method }),
    ...Object.fromEntries(own),
  };
  return {
    ...rangeOf(surroundings, tenant, filters),
    // An order is as it is now, whenever that came about.
    follow_up: FOLLOW_UP,
    ...(status === undefined ? {} : { statuses: valuesOf('status', status) }),
    ...(payment_status === undefined ? {} : { payment_statuses: paymentsOf(payment_status) }),
    ...(customer_id === undefined ? {} : { customer_ids: [customer_id] }),
    filters: dimensions,
  };
}

function rangeOf(
  surroundings: Pick<Asking, 'zoneOf'>,
  tenant: string,
  { date_from, date_to }: OrderFilters,
): { readonly start: string; readonly end: string } {
  const zone = surroundings.zoneOf(tenant);
  const first = date_from === undefined ? undefined : requireDay('date_from', date_from);
  const last = date_to === undefined ? undefined : requireDay('date_to', date_to);
  if (first !== undefined && last !== undefined && first > last)
    throw invalid('date_to', 'lies before date_from');
  const { start } = first === undefined ? ALL_TIME : spoken(dayRange(zone.startOfDay(first)), zone);
  const { start: end } =
    last === undefined ? { start: ALL_TIME.end } : spoken(dayRange(zone.startOfDay(last + 1)), zone);
  return { start, end };
}

const dayRange = (start_ms: number) => ({ start_ms, end_ms: start_ms });

function valuesOf(path: string, text: string): readonly string[] {
  const values = text
    .split(',')
    .map((value) => value.trim())
    .filter((value) => value !== '');
  if (values.length === 0 || values.length > MAX_VALUES || values.some((value) => value.length > 128))
    throw invalid(path, `must be 1 to ${MAX_VALUES} values of at most 128 characters`);
  return values;
}

function paymentsOf(text: string): readonly string[] {
  const values = valuesOf('payment_status', text);
  const unknown = values.find((value) => !PAYMENT_STATUSES.some((known) => known === value));
  if (unknown === undefined) return values;
  throw invalid('payment_status', `"${unknown}" is none of ${PAYMENT_STATUSES.join(', ')}`);
}

function requireDay(path: string, text: string): number {
  const day = dayOf(text);
  if (day === undefined) throw invalid(path, 'must be a date that exists, as YYYY-MM-DD');
  return day;
}

export const invalid = (path: string, message: string): ApiError =>
  new ApiError('validation_failed', `${path} ${message}.`, { errors: [{ path, message }] });
