import { MAX_ITEMS } from '../../analytics/index.ts';
import { MillraceError } from '../../engine/index.ts';

/** One line of the file, as text, with where it stands. */
export interface RetailRow {
  /** In the file, the header being line 1; for messages. */
  readonly line: number;
  readonly InvoiceNo: string;
  readonly StockCode: string;
  readonly Description: string;
  readonly Quantity: string;
  readonly InvoiceDate: string;
  readonly UnitPrice: string;
  readonly CustomerID: string;
  readonly Country: string;
}

export interface RetailItem {
  readonly sku: string;
  readonly name?: string;
  readonly quantity: number;
  /** Minor units; rounded where the file has tenths of a penny. */
  readonly unit_price: number;
}

/** What is published: events of the engine's flat form, with what the file says and nothing else. */
export interface RetailEvent {
  readonly event_id: string;
  readonly type: 'order.created' | 'refund.issued' | 'stock.adjusted';
  readonly time: string;
  readonly source: 'online-retail';
  /** Of orders: an event each. The file does not say which order a cancellation is of. */
  readonly order_id?: string;
  readonly customer_id?: string;
  readonly country: string;
  readonly currency: 'GBP';
  readonly reason?: string;
  readonly amount?: number;
  readonly items: readonly RetailItem[];
  /** The number of a cancellation, an adjustment or a stock movement. */
  readonly data?: { readonly invoice: string };
}

interface Line {
  readonly item: RetailItem;
  /** Quantity × price in minor units, rounded once, half away from zero. */
  readonly amount: number;
  readonly free: boolean;
}

interface Invoice {
  readonly number: string;
  /** Of its earliest line. */
  time: string;
  readonly customer: string;
  readonly country: string;
  readonly lines: Line[];
}

const MINOR_DIGITS = 2;
const PRICE = /^(-?)(\d{1,12})(?:\.(\d{1,6}))?$/;
const QUANTITY = /^-?\d{1,9}$/;
const DATE = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(:\d{2})?$/;

/** `numerator / 10^digits`, rounded half away from zero. */
function scaleDown(numerator: bigint, digits: number): bigint {
  const divisor = 10n ** BigInt(digits);
  const half = numerator < 0n ? -divisor / 2n : divisor / 2n;
  return (numerator + half) / divisor;
}

/** Quantity × price in minor units, exact until it is rounded once. */
export function minorUnits(quantity: number, price: string): number {
  const [, sign = '', whole = '', fraction = ''] = PRICE.exec(price) ?? [];
  const units = BigInt(`${whole}${fraction.padEnd(MINOR_DIGITS, '0')}`) * (sign === '' ? 1n : -1n);
  return Number(scaleDown(BigInt(quantity) * units, Math.max(0, fraction.length - MINOR_DIGITS)));
}

function bad(row: RetailRow, what: string): MillraceError {
  return new MillraceError('bad_row', `Line ${row.line} of the file: ${what}.`);
}

function lineOf(row: RetailRow): Line {
  const { StockCode: sku, Description: name, Quantity, UnitPrice } = row;
  if (!QUANTITY.test(Quantity)) throw bad(row, `Quantity "${Quantity}" is not a whole number`);
  if (!PRICE.test(UnitPrice)) throw bad(row, `UnitPrice "${UnitPrice}" is not a decimal number`);
  // `+ 0` turns a negative zero into the zero that JSON knows.
  const quantity = Number(Quantity) + 0;
  const unit_price = minorUnits(1, UnitPrice);
  const item = { sku, ...(name === '' ? {} : { name }), quantity, unit_price };
  return { item, amount: minorUnits(quantity, UnitPrice), free: Number(UnitPrice) === 0 };
}

function timeOf(row: RetailRow): string {
  const match = DATE.exec(row.InvoiceDate);
  const [, date, minutes, seconds = ':00'] = match ?? [];
  // The file names no zone: its times are taken as UTC.
  const time = `${date}T${minutes}${seconds}Z`;
  if (match === null || Number.isNaN(Date.parse(time))) {
    throw bad(row, `InvoiceDate "${row.InvoiceDate}" is not of the form 2011-08-01 08:26:00`);
  }
  return time;
}

/**
 * Turns the file's lines into events. The lines of an invoice number become one event, since an order has one that
 * says all of it; more than `max_items` of them become several, each an order of its own. The order of the lines
 * decides nothing else: an event's id is its invoice and its place among the events of it, so that the same file
 * gives the same ids, and identical lines of an invoice are all kept.
 */
export class RetailEvents {
  readonly #max_items: number;
  readonly #invoices = new Map<string, Invoice>();

  constructor({ max_items = MAX_ITEMS }: { readonly max_items?: number } = {}) {
    this.#max_items = max_items;
  }

  /** Takes the next line. */
  add(row: RetailRow): void {
    if (row.InvoiceNo === '' || row.Country === '') throw bad(row, 'InvoiceNo and Country must not be empty');
    const time = timeOf(row);
    // Some copies of the file carry the number as a fraction: "17850.0".
    const customer = row.CustomerID.replace(/\.0$/, '');
    const { InvoiceNo: number, Country: country } = row;
    let invoice = this.#invoices.get(number);
    if (invoice === undefined) {
      invoice = { number, time, customer, country, lines: [] };
      this.#invoices.set(number, invoice);
    }
    // The times are of one form, so their order as text is that in time.
    if (time < invoice.time) invoice.time = time;
    invoice.lines.push(lineOf(row));
  }

  /** The events of all lines, in the order in which the file begins their invoices. */
  end(): RetailEvent[] {
    const events: RetailEvent[] = [];
    for (const invoice of this.#invoices.values()) {
      for (let from = 0; from < invoice.lines.length; from += this.#max_items) {
        const lines = invoice.lines.slice(from, from + this.#max_items);
        events.push(eventOf(invoice, lines, from / this.#max_items));
      }
    }
    this.#invoices.clear();
    return events;
  }
}

function eventOf(
  { number, time, customer, country, lines: all }: Invoice,
  lines: readonly Line[],
  part: number,
) {
  const common = {
    event_id: `online-retail/${number}/${part}`,
    time,
    source: 'online-retail',
    ...(customer === '' ? {} : { customer_id: customer }),
    country,
    currency: 'GBP',
  } as const;
  const amount = lines.reduce((sum, line) => sum + line.amount, 0);
  const isAdjustment = number.startsWith('A');
  // What a cancellation or an adjustment takes back is said by its positive amount.
  if (number.startsWith('C') || (isAdjustment && amount < 0)) {
    const items = lines.map(({ item }) => ({ ...item, quantity: -item.quantity + 0 }));
    const reason = isAdjustment ? lines[0]?.item.name : undefined;
    const why = reason === undefined ? {} : { reason };
    return {
      ...common,
      type: 'refund.issued',
      ...why,
      amount: -amount + 0,
      items,
      data: { invoice: number },
    } as const;
  }
  const items = lines.map(({ item }) => item);
  // Nobody buys and nothing is paid: goods that were lost, found or counted again.
  if (customer === '' && all.every(({ free }) => free)) {
    return { ...common, type: 'stock.adjusted', items, data: { invoice: number } } as const;
  }
  const order_id = part === 0 ? number : `${number}/${part}`;
  return { ...common, type: 'order.created', order_id, amount, items } as const;
}

/** All events of some lines. */
export function retailEvents(
  rows: Iterable<RetailRow>,
  options: { readonly max_items?: number } = {},
): RetailEvent[] {
  const mapper = new RetailEvents(options);
  for (const row of rows) mapper.add(row);
  return mapper.end();
}

/** What an event adds to net revenue, minor units. */
export function netOf({ type, amount = 0 }: RetailEvent): number {
  return type === 'refund.issued' ? -amount : amount;
}
