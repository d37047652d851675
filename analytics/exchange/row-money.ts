import { DAY_MS, formatUtc, QueryError } from '../query/index.ts';
import { DayRates, type RatesByCurrency } from './day-rates.ts';
import { FractionSum } from './rounding.ts';

/** Names currencies by codes: a dictionary is one. */
export interface CurrencyNames {
  textOf(code: number): string;
  find(text: string): number;
}

/**
 * Adds up the money of rows, one sum at a time, in minor units: as it is where all of it is in one currency, else
 * converted at the rate of each row's UTC day and rounded once a sum. The currencies of a whole query are one
 * question, so one of these serves all of its sums.
 */
export class RowMoney {
  readonly #target: string | undefined;
  readonly #dictionary: CurrencyNames;
  readonly #rates: DayRates;
  /** Codes of the currencies that are not converted; more than one without a target is refused. */
  #own = -1;
  #sum = 0;
  #converted: FractionSum | undefined;

  constructor(target: string | undefined, rates: RatesByCurrency, dictionary: CurrencyNames) {
    this.#target = target;
    this.#rates = new DayRates(rates);
    this.#dictionary = dictionary;
  }

  /** `amount` NaN: none. Throws QueryError `currency_required`, `fx_rate_missing`, `amount_too_large`. */
  add(currency: number, time_ms: number, amount: number): void {
    // Nothing needs neither a rate nor a currency.
    if (Number.isNaN(amount) || amount === 0) return;
    if (this.#own === -1) this.#learn(currency);
    if (currency === this.#own) this.#sum += amount;
    else this.#convert(this.#dictionary.textOf(currency), time_ms, amount);
    if (!Number.isSafeInteger(this.#sum)) throw tooLarge();
  }

  /** The sum of what was added since the last call. */
  take(): number {
    const own = this.#sum;
    const converted = this.#converted;
    this.#sum = 0;
    this.#converted = undefined;
    if (converted === undefined) return own;
    converted.add(BigInt(own), 1n);
    const sum = Number(converted.round());
    if (!Number.isSafeInteger(sum)) throw tooLarge();
    return sum;
  }

  /** The currency of all sums: the target, else that of the rows; undefined before there was money. */
  get currency(): string | undefined {
    return this.#target ?? (this.#own < 0 ? undefined : this.#dictionary.textOf(this.#own));
  }

  #learn(currency: number): void {
    this.#own = this.#target === undefined ? currency : this.#dictionary.find(this.#target);
  }

  #convert(currency: string, time_ms: number, amount: number): void {
    if (this.#target === undefined) throw currencyRequired([this.currency ?? '', currency]);
    const day = Math.floor(time_ms / DAY_MS);
    const rate = currency === '' ? undefined : this.#rates.rateAt(currency, day);
    if (rate === undefined) throw rateMissing(currency, this.#target, day);
    this.#converted ??= new FractionSum();
    this.#converted.add(BigInt(amount) * rate.numerator, rate.denominator);
  }
}

/** What parts of one query found out of their own: one currency, or 422. */
export function oneCurrency(found: readonly (string | undefined)[]): string | undefined {
  const all = [...new Set(found.filter((currency) => currency !== undefined))].sort();
  if (all.length > 1) throw currencyRequired(all);
  return all[0];
}

function currencyRequired(found: readonly string[]): QueryError {
  const names = found.map((name) => (name === '' ? 'none' : name)).join(' and ');
  const message = `The money is in several currencies (${names}), which are never added up. Ask with \`currency\` to convert it, or filter by currency.`;
  return new QueryError('currency_required', message, [{ path: 'currency', message }]);
}

function rateMissing(currency: string, target: string, day: number): QueryError {
  const from = currency === '' ? 'amounts without a currency' : currency;
  const date = formatUtc(day * DAY_MS).slice(0, 10);
  const message = `No exchange rate from ${from} to ${target} is known on ${date} (UTC) or before it. Publish an fx.rate event, or filter those amounts out.`;
  return new QueryError('fx_rate_missing', message, [{ path: 'currency', message }]);
}

function tooLarge(): QueryError {
  return new QueryError('amount_too_large', 'A sum of money is above 2^53 − 1 minor units. Ask for less.');
}
