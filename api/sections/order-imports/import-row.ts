import { createHash } from 'node:crypto';
import { type CustomField, MappingError, minorUnits, STATUS_PATTERN } from '../../../analytics/index.ts';

/** Columns of an import, beside `custom_fields.<field_key>`. */
export const COLUMNS = [
  ...['order_number', 'customer_phone', 'customer_email', 'customer_first_name', 'customer_last_name'],
  ...['item_name', 'item_quantity', 'item_price', 'item_sku', 'total', 'payment_status', 'status', 'notes'],
  ...['currency', 'payment_method'],
] as const;
const REQUIRED = ['order_number', 'item_name', 'item_quantity', 'item_price'] as const;
export const PAYMENTS = ['pending', 'paid', 'failed', 'refunded'] as const;
export type ImportPayment = (typeof PAYMENTS)[number];

const CUSTOM = 'custom_fields.';
const MAX_CHARS = 128;
const MAX_NOTE_CHARS = 4_096;

export type ImportRecord = Readonly<Record<string, string>>;

/** A row that says an order. */
export interface ImportedOrder {
  readonly order_number: string;
  /** Members of its event, without id, type, time and source. */
  readonly members: Readonly<Record<string, unknown>>;
  readonly payment: ImportPayment | undefined;
  readonly currency: string;
  /** Minor units. */
  readonly total: number;
  /** Of all that the row says. */
  readonly hash: string;
}

export type ImportRow =
  | { readonly ok: true; readonly order: ImportedOrder }
  | { readonly ok: false; readonly order_number: string | null; readonly reason: string };

/** What is wrong with the head of a file; undefined: nothing. */
export function headProblem(columns: readonly string[]): string | undefined {
  const missing = REQUIRED.filter((name) => !columns.includes(name));
  if (missing.length > 0) return `lacks the columns ${missing.join(', ')}`;
  if (!columns.includes('customer_phone') && !columns.includes('customer_email'))
    return 'lacks a column customer_phone or customer_email';
  const unknown = columns.filter(
    (name) => !(COLUMNS as readonly string[]).includes(name) && !name.startsWith(CUSTOM),
  );
  if (unknown.length > 0)
    return `has the unknown columns ${unknown.slice(0, 5).join(', ')}; known are ${COLUMNS.join(', ')}, custom_fields.<field_key>`;
  const twice = columns.find((name, at) => columns.indexOf(name) !== at);
  return twice === undefined ? undefined : `has the column ${twice} twice`;
}

/** The type of a custom field; undefined: there is none. */
export type FieldTypeOf = (field_key: string) => CustomField['field_type'] | undefined;

class RowError extends Error {}

/** What a row says. `currency` is that of rows without one. */
export function importRow(
  record: ImportRecord,
  currency: string | undefined,
  typeOf: FieldTypeOf,
): ImportRow {
  const order_number = cell(record, 'order_number');
  try {
    return { ok: true, order: orderOf(record, order_number, currency, typeOf) };
  } catch (error) {
    if (!(error instanceof RowError) && !(error instanceof MappingError)) throw error;
    return { ok: false, order_number: order_number || null, reason: `invalid_row: ${error.message}` };
  }
}

/** A guard against formulas, as exports put it before a text, is taken off. */
function cell(record: ImportRecord, name: string): string {
  const text = (record[name] ?? '').trim();
  return /^'[=+\-@\t\r]/.test(text) ? text.slice(1) : text;
}

function orderOf(
  record: ImportRecord,
  order_number: string,
  given: string | undefined,
  typeOf: FieldTypeOf,
): ImportedOrder {
  const optional = (name: string, max = MAX_CHARS): string | undefined => {
    const text = cell(record, name);
    if (text.length > max) throw new RowError(`${name} has more than ${max} characters`);
    return text === '' ? undefined : text;
  };
  const required = (name: string): string => {
    const text = optional(name);
    if (text === undefined) throw new RowError(`${name} is required`);
    return text;
  };
  required('order_number');
  const [phone, email] = [optional('customer_phone'), optional('customer_email')?.toLowerCase()];
  if (phone === undefined && email === undefined)
    throw new RowError('customer_phone or customer_email is required');
  if (email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(email))
    throw new RowError('customer_email is no address');
  const currency = (optional('currency') ?? given)?.toUpperCase();
  if (currency === undefined || !/^[A-Z]{3}$/.test(currency))
    throw new RowError(
      'currency must be three letters: in its column, in the form, or in the settings of the tenant',
    );
  const money = (name: string, text: string): number => {
    const minor = minorUnits(name, text, currency);
    if (minor < 0) throw new RowError(`${name} must not be negative`);
    return minor;
  };
  const name = required('item_name');
  const quantity = Number(required('item_quantity'));
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 1_000_000)
    throw new RowError('item_quantity must be a whole number from 1 to 1000000');
  const unit_price = money('item_price', required('item_price'));
  const amount = quantity * unit_price;
  if (!Number.isSafeInteger(amount)) throw new RowError('item_quantity × item_price is too large');
  const asked = optional('total');
  const total = asked === undefined ? amount : money('total', asked);
  const status = optional('status')?.toLowerCase();
  if (status !== undefined && !STATUS_PATTERN.test(status))
    throw new RowError('status must have a letter or a digit');
  const payment = paymentOf(optional('payment_status'));
  const custom_fields = customFieldsOf(record, typeOf);
  const members = {
    ...{ order_id: order_number, customer_id: email ?? phone, currency, amount },
    ...(total < amount ? { discount: amount - total } : {}),
    ...(total > amount ? { shipping: total - amount } : {}),
    ...(status === undefined ? {} : { status }),
    ...defined({ payment_method: optional('payment_method') }),
    items: [{ sku: optional('item_sku') ?? name, name, quantity, unit_price }],
    data: {
      order_number,
      customer: defined({
        ...{ first_name: optional('customer_first_name'), last_name: optional('customer_last_name') },
        ...{ email, phone },
      }),
      ...defined({ notes: optional('notes', MAX_NOTE_CHARS) }),
      ...(Object.keys(custom_fields).length === 0 ? {} : { custom_fields }),
    },
  };
  const hash = createHash('sha256')
    .update(JSON.stringify([members, payment]))
    .digest('hex')
    .slice(0, 32);
  return { order_number, members, payment, currency, total, hash };
}

const defined = (members: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));

function paymentOf(text: string | undefined): ImportPayment | undefined {
  if (text === undefined) return undefined;
  const known = PAYMENTS.find((one) => one === text.toLowerCase());
  if (known === undefined) throw new RowError(`payment_status must be one of ${PAYMENTS.join(', ')}`);
  return known;
}

/** A text, or the number or truth that it says where the field is of that type. */
function customFieldsOf(record: ImportRecord, typeOf: FieldTypeOf): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(record)) {
    const text = name.startsWith(CUSTOM) ? cell(record, name) : '';
    const key = name.slice(CUSTOM.length);
    if (text !== '') fields[key] = typed(text, typeOf(key));
  }
  return fields;
}

/** What says no number and no truth stays a text, which the check of the event refuses. */
function typed(text: string, type: ReturnType<FieldTypeOf>): unknown {
  if (type === 'number') {
    const number = Number(text);
    return Number.isFinite(number) ? number : text;
  }
  if (type !== 'boolean') return text;
  const truth = text.toLowerCase();
  if (['true', 'yes', '1'].includes(truth)) return true;
  return ['false', 'no', '0'].includes(truth) ? false : text;
}
