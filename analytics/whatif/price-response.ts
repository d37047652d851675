import { fitCounts } from './count-regression.ts';
import { calendarRow, correlationFactor, type ItemHistory, sumOf } from './history.ts';

/** What the history of one item says of its price. */
export interface PriceResponse {
  readonly sku: string;
  readonly category: string;
  /** The price that goes on, minor units. */
  readonly price: number;
  /** Lowest and highest price of a day. */
  readonly lowest: number;
  readonly highest: number;
  readonly units: number;
  /** By day, a day without a sale as the day before. */
  readonly prices: readonly number[];
  /** undefined: the price never moved, or there are too few sales to tell. */
  readonly own?: { readonly elasticity: number; readonly error: number };
}

/** A day's price that is this far from the middle one has moved. */
const MOVED_SHARE = 0.01;
/** Days with sales at another price, and at all, from which an elasticity is told. */
const MOVED_MIN_DAYS = 5;
const SOLD_MIN_DAYS = 14;
const RECENT_SOLD_DAYS = 7;
const SAME_DAYS = 3;
/** Of an elasticity: beyond, the data tell nothing. */
const ERROR_MAX = 10;

/**
 * The elasticity of demand by price, in a log–log model with trend and days of the week. Its error is widened by the
 * dispersion of the counts, and by how much neighbouring days go together.
 */
export function priceResponse({ sku, category, units, revenue }: ItemHistory): PriceResponse | undefined {
  const sold = units.flatMap((count, day) => (count > 0 && (revenue[day] as number) > 0 ? [day] : []));
  const first = sold[0];
  if (first === undefined) return undefined;
  const priceAt = (day: number): number => (revenue[day] as number) / (units[day] as number);
  const each = sold.map(priceAt);
  const prices: number[] = [];
  for (const day of units.keys()) {
    const isSold = (units[day] as number) > 0 && (revenue[day] as number) > 0;
    prices.push(isSold ? priceAt(day) : (prices[day - 1] ?? priceAt(first)));
  }
  const facts = {
    ...{ sku, category, prices, units: sumOf(units), price: currentPrice(sold, units, revenue, each) },
    ...{ lowest: Math.min(...each), highest: Math.max(...each) },
  };
  const own = ownElasticity(units.slice(first), prices.slice(first), each);
  return own === undefined ? facts : { ...facts, own };
}

/** The last days' price where these agree, else the mean of the last days with sales. */
function currentPrice(
  sold: readonly number[],
  units: readonly number[],
  revenue: readonly number[],
  each: readonly number[],
): number {
  const last = each.slice(-SAME_DAYS);
  const newest = last.at(-1) as number;
  if (last.every((price) => Math.abs(price / newest - 1) < MOVED_SHARE)) return newest;
  const recent = sold.slice(-RECENT_SOLD_DAYS);
  return (
    sumOf(recent.map((day) => revenue[day] as number)) / sumOf(recent.map((day) => units[day] as number))
  );
}

function ownElasticity(
  units: readonly number[],
  prices: readonly number[],
  sold: readonly number[],
): PriceResponse['own'] {
  const middle = [...sold].sort((a, b) => a - b)[Math.floor(sold.length / 2)] as number;
  const moved = sold.filter((price) => Math.abs(price / middle - 1) >= MOVED_SHARE).length;
  if (sold.length < SOLD_MIN_DAYS || moved < MOVED_MIN_DAYS) return undefined;
  const logs = prices.map((price) => Math.log(price / middle));
  const rows = logs.map((log, day) => [...calendarRow(day, logs.length), log]);
  const place = (rows[0]?.length ?? 1) - 1;
  const { coefficients, dispersion, residuals, variance } = fitCounts(units, rows);
  const widened = Math.max(dispersion, 1) * correlationFactor(residuals, logs);
  const error = Math.sqrt(variance(place) * widened);
  const elasticity = coefficients[place] as number;
  return error > 0 && error < ERROR_MAX ? { elasticity, error } : undefined;
}
