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
  readonly type: 'order.created' | 'order.updated' | 'refund.issued' | 'stock.adjusted';
  readonly time: string;
  readonly source: 'online-retail';
  /** Of orders. The file does not say which order a cancellation is of. */
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

interface Group {
  readonly invoice: string;
  readonly time: string;
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

/** Cancellations and adjustments take back what their lines sum up to, which is negative then. */
function isRefund(invoice: string, amount: number): boolean {
  return (invoice.startsWith('C') || invoice.startsWith('A')) && amount <= 0;
}

const amountOf = (lines: readonly Line[]): number => lines.reduce((sum, { amount }) => sum + amount, 0);
const itemsOf = (lines: readonly Line[]): RetailItem[] => lines.map(({ item }) => item);

/**
 * Turns the file's lines into events. Lines that follow one another with the same invoice number and time are an
 * order, and further lines of the number a newer version of it, with all its lines so far; beyond `max_items` lines
 * they are a further order. The order of the lines decides nothing else: an event's id is its invoice, its time and
 * its place among the events of both, so that the same file gives the same ids, and identical lines are all kept.
 */
export class RetailEvents {
  readonly #max_items: number;
  /** Events so far of an invoice at a time: one that is interrupted in the file goes on counting. */
  readonly #parts = new Map<string, number>();
  /** Lines of each order that is not full, and how many orders its invoice has. */
  readonly #orders = new Map<string, { readonly lines: Line[]; readonly place: number }>();
  #group: Group | undefined;
  /** Σ quantity × price of the lines so far, minor units. */
  net = 0;

  constructor({ max_items = MAX_ITEMS }: { readonly max_items?: number } = {}) {
    this.#max_items = max_items;
  }

  /** Takes the next line; the events that it completes. */
  add(row: RetailRow): RetailEvent[] {
    if (row.InvoiceNo === '' || row.Country === '') throw bad(row, 'InvoiceNo and Country must not be empty');
    const time = timeOf(row);
    // Some copies of the file carry the number as a fraction: "17850.0".
    const customer = row.CustomerID.replace(/\.0$/, '');
    const { InvoiceNo: invoice, Country: country } = row;
    const group = this.#group;
    const same =
      group !== undefined &&
      group.invoice === invoice &&
      group.time === time &&
      group.customer === customer &&
      group.country === country;
    const done = same ? [] : this.end();
    this.#group ??= { invoice, time, customer, country, lines: [] };
    const line = lineOf(row);
    this.net += line.amount;
    this.#group.lines.push(line);
    return done;
  }

  /** The events of the last lines. */
  end(): RetailEvent[] {
    const group = this.#group;
    this.#group = undefined;
    if (group === undefined) return [];
    const { invoice, customer, lines } = group;
    const amount = amountOf(lines);
    if (isRefund(invoice, amount))
      return parts(lines, this.#max_items).map((part) => this.#refund(group, part));
    // Nobody buys and nothing is paid: goods that were lost, found or counted again.
    if (customer === '' && lines.every(({ free }) => free)) {
      return parts(lines, this.#max_items).map((part) => ({
        ...this.#common(group),
        type: 'stock.adjusted',
        items: itemsOf(part),
        data: { invoice },
      }));
    }
    return this.#order(group);
  }

  #common({ invoice, time, customer, country }: Group) {
    const place = `${invoice}/${time}`;
    const part = this.#parts.get(place) ?? 0;
    this.#parts.set(place, part + 1);
    return {
      // Of one time, the version with the greater id is the newer.
      event_id: `online-retail/${place}/${String(part).padStart(3, '0')}`,
      time,
      source: 'online-retail',
      ...(customer === '' ? {} : { customer_id: customer }),
      country,
      currency: 'GBP',
    } as const;
  }

  /** What is given back is stated with a positive sign. */
  #refund(group: Group, lines: readonly Line[]): RetailEvent {
    const { invoice } = group;
    const items = itemsOf(lines).map((item) => ({ ...item, quantity: 0 - item.quantity }));
    const why = invoice.startsWith('A') ? reasonOf(lines) : {};
    const amount = 0 - amountOf(lines);
    return { ...this.#common(group), type: 'refund.issued', ...why, amount, items, data: { invoice } };
  }

  #order(group: Group): RetailEvent[] {
    const { invoice, lines } = group;
    const events: RetailEvent[] = [];
    for (let from = 0; from < lines.length; ) {
      const known = this.#orders.get(invoice);
      const isFull = known !== undefined && known.lines.length >= this.#max_items;
      const place = known === undefined ? 0 : known.place + (isFull ? 1 : 0);
      const before = known === undefined || isFull ? [] : known.lines;
      const all = [...before, ...lines.slice(from, from + this.#max_items - before.length)];
      from += all.length - before.length;
      this.#orders.set(invoice, { lines: all, place });
      events.push({
        ...this.#common(group),
        type: before.length === 0 ? 'order.created' : 'order.updated',
        order_id: place === 0 ? invoice : `${invoice}/${place}`,
        ...(invoice.startsWith('A') ? reasonOf(all) : {}),
        amount: amountOf(all),
        items: itemsOf(all),
      });
    }
    return events;
  }
}

function reasonOf([first]: readonly Line[]): { readonly reason?: string } {
  return first?.item.name === undefined ? {} : { reason: first.item.name };
}

function parts(lines: readonly Line[], max_items: number): Line[][] {
  const found: Line[][] = [];
  for (let from = 0; from < lines.length; from += max_items) found.push(lines.slice(from, from + max_items));
  return found;
}

/** All events of some lines. */
export function retailEvents(
  rows: Iterable<RetailRow>,
  options: { readonly max_items?: number } = {},
): RetailEvent[] {
  const mapper = new RetailEvents(options);
  const events: RetailEvent[] = [];
  for (const row of rows) events.push(...mapper.add(row));
  events.push(...mapper.end());
  return events;
}
