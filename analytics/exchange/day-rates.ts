import { ByteReader, ByteWriter, type KvView, prefixEnd } from '../../engine/index.ts';
import { DAY_MS, minorUnitExponent, parseDecimal, rateAt } from '../query/index.ts';

/** Target minor units for one minor unit of a currency: numerator / denominator, both positive. */
export interface DayRate {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Rates of one currency towards the target by UTC day, ascending; each holds until the next. Plain data. */
export interface CurrencyRates {
  readonly days: readonly number[];
  readonly numerators: readonly string[];
  readonly denominators: readonly string[];
}

/** By currency. Plain data: a part of the plan. */
export type RatesByCurrency = Readonly<Record<string, CurrencyRates>>;

interface Announced {
  readonly day: number;
  readonly time_ms: number;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const MAX_TIME_MS = 2 ** 48 - 1;

/**
 * The rates of every currency towards `target` in force from `start_ms` to `end_ms`, from the raw table of
 * `fx.rate` events: key = tenant, base, quote (ordered strings), time (u48 ms); value = what was announced, units of
 * quote for one of base (`addRate`). Only what was known at sequence `upTo` counts, where it is given. The rate of a
 * UTC day is the last one of that day, else the newest before it, of the pair or of its inverse (the pair where both
 * are as new).
 */
export function readDayRates(
  view: KvView,
  tenant: string,
  target: string | undefined,
  start_ms: number,
  end_ms: number,
  upTo = Number.POSITIVE_INFINITY,
): RatesByCurrency {
  if (target === undefined) return {};
  const until_ms = Math.ceil(end_ms / DAY_MS) * DAY_MS;
  const startDay = Math.floor(start_ms / DAY_MS);
  const result: Record<string, CurrencyRates> = {};
  for (const currency of currenciesOf(view, tenant, target)) {
    if (currency === target) continue;
    const direct = readPair(view, [tenant, currency, target], startDay, until_ms, upTo);
    const inverse = readPair(view, [tenant, target, currency], startDay, until_ms, upTo).map((rate) => ({
      ...rate,
      numerator: rate.denominator,
      denominator: rate.numerator,
    }));
    result[currency] = merged(direct, inverse, minorUnitExponent(target) - minorUnitExponent(currency));
  }
  return result;
}

/** The other currencies of the pairs with `target`, found by jumping from base to base. */
function currenciesOf(view: KvView, tenant: string, target: string): ReadonlySet<string> {
  const found = new Set<string>();
  const tenantPrefix = new ByteWriter().orderedString(tenant).copy();
  const end = prefixEnd(tenantPrefix);
  for (let start: Uint8Array | undefined = tenantPrefix; start !== undefined; ) {
    const base = nextText(view, start, end, tenantPrefix.length);
    if (base === undefined) break;
    const prefix: Uint8Array = new ByteWriter().bytes(tenantPrefix).orderedString(base).copy();
    if (base === target) for (const quote of quotesOf(view, prefix)) found.add(quote);
    else found.add(base);
    start = prefixEnd(prefix);
  }
  return found;
}

function quotesOf(view: KvView, prefix: Uint8Array): string[] {
  const quotes: string[] = [];
  const end = prefixEnd(prefix);
  for (let start: Uint8Array | undefined = prefix; start !== undefined; ) {
    const quote = nextText(view, start, end, prefix.length);
    if (quote === undefined) break;
    quotes.push(quote);
    start = prefixEnd(new ByteWriter().bytes(prefix).orderedString(quote).copy());
  }
  return quotes;
}

function nextText(
  view: KvView,
  start: Uint8Array,
  end: Uint8Array | undefined,
  from: number,
): string | undefined {
  for (const { key } of view.scan({ start, ...(end === undefined ? {} : { end }), limit: 1 })) {
    return new ByteReader(key.subarray(from)).orderedString();
  }
  return undefined;
}

/** The last rate of each day before `until_ms`, and of the days before `startDay` the newest. */
function readPair(
  view: KvView,
  pair: readonly [string, string, string],
  startDay: number,
  until_ms: number,
  upTo: number,
): Announced[] {
  const prefix = new ByteWriter();
  for (const text of pair) prefix.orderedString(text);
  const bytes = prefix.copy();
  const bound = (time_ms: number): Uint8Array => new ByteWriter().bytes(bytes).u48(time_ms).copy();
  const rates: Announced[] = [];
  const add = (key: Uint8Array, value: Uint8Array): boolean => {
    const time_ms = new ByteReader(key.subarray(bytes.length)).u48();
    const rate = rateAt(value, upTo);
    const decimal = rate === undefined ? undefined : parseDecimal(rate);
    if (decimal === undefined) return false;
    const day = Math.floor(time_ms / DAY_MS);
    if (rates.at(-1)?.day === day) rates.pop();
    rates.push({ day, time_ms, ...decimal });
    return true;
  };
  const start_ms = Math.max(0, startDay * DAY_MS);
  for (const row of view.scan({ start: bound(0), end: bound(start_ms), reverse: true })) {
    if (add(row.key, row.value)) break;
  }
  for (const row of view.scan({ start: bound(start_ms), end: bound(Math.min(until_ms, MAX_TIME_MS)) })) {
    add(row.key, row.value);
  }
  return rates;
}

function merged(
  direct: readonly Announced[],
  inverse: readonly Announced[],
  exponents: number,
): CurrencyRates {
  const days = [...new Set([...direct, ...inverse].map(({ day }) => day))].sort((a, b) => a - b);
  const numerators: string[] = [];
  const denominators: string[] = [];
  let newestDirect: Announced | undefined;
  let newestInverse: Announced | undefined;
  let [atDirect, atInverse] = [0, 0];
  for (const day of days) {
    if (direct[atDirect]?.day === day) newestDirect = direct[atDirect++];
    if (inverse[atInverse]?.day === day) newestInverse = inverse[atInverse++];
    const isDirect = (newestDirect?.time_ms ?? -1) >= (newestInverse?.time_ms ?? -1);
    const { numerator, denominator } = (isDirect ? newestDirect : newestInverse) as Announced;
    numerators.push((numerator * 10n ** BigInt(Math.max(0, exponents))).toString());
    denominators.push((denominator * 10n ** BigInt(Math.max(0, -exponents))).toString());
  }
  return { days, numerators, denominators };
}

/** The rates of a plan, looked up. */
export class DayRates {
  readonly #rates: RatesByCurrency;
  readonly #parsed = new Map<string, readonly DayRate[]>();

  constructor(rates: RatesByCurrency) {
    this.#rates = rates;
  }

  /** undefined where none is known on the UTC day or before it. */
  rateAt(currency: string, day: number): DayRate | undefined {
    const rates = Object.hasOwn(this.#rates, currency) ? this.#rates[currency] : undefined;
    if (rates === undefined) return undefined;
    let parsed = this.#parsed.get(currency);
    if (parsed === undefined) {
      parsed = rates.numerators.map((numerator, at) => ({
        numerator: BigInt(numerator),
        denominator: BigInt(rates.denominators[at] ?? '1'),
      }));
      this.#parsed.set(currency, parsed);
    }
    let low = 0;
    let high = rates.days.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((rates.days[middle] as number) <= day) low = middle + 1;
      else high = middle;
    }
    return parsed[low - 1];
  }
}
