import { type ExactSum, narrow } from '../../operators/index.ts';
import { DAY_MS, formatUtc, QueryError } from '../query/index.ts';
import { type ConvertAmount, dayOf, type TimeSlots } from '../row-sums/index.ts';
import type { DayRate, DayRates } from './day-rates.ts';
import { divideHalfAway, FractionSum } from './rounding.ts';

/** Converts money to one currency, at the rate of each UTC day. */
export class Converter {
  readonly target: string;
  readonly #rates: DayRates;
  readonly #slots: TimeSlots;

  constructor(target: string, rates: DayRates, slots: TimeSlots) {
    this.target = target;
    this.#rates = rates;
    this.#slots = slots;
  }

  /** The rate of a currency in a slot; undefined where there is none. */
  rate(currency: string, slot: number): DayRate | undefined {
    return currency === this.target ? ONE : this.#rates.rateAt(currency, dayOf(this.#slots, slot));
  }

  /** Throws QueryError `fx_rate_missing`. */
  requireRate(currency: string, slot: number): DayRate {
    return this.rate(currency, slot) ?? this.#missing(currency, slot);
  }

  #missing(currency: string, slot: number): never {
    if (currency === '') {
      throw new QueryError(
        'fx_rate_missing',
        `Some amounts have no currency, so they cannot be converted to ${this.target}. Filter them out with filters.currency, or leave \`currency\` out.`,
      );
    }
    const day = formatUtc(dayOf(this.#slots, slot) * DAY_MS).slice(0, 10);
    throw new QueryError(
      'fx_rate_missing',
      `No exchange rate from ${currency} to ${this.target} is known on ${day} (UTC) or before ` +
        `it. Publish an fx.rate event of that day or before, or leave \`currency\` out to get a ` +
        'group for each currency.',
    );
  }

  /** Each amount of a currency in a slot, rounded half away from zero. */
  amounts(currency: string, slot: number): ConvertAmount {
    const { numerator, denominator } = this.requireRate(currency, slot);
    if (numerator === denominator) return (amount) => amount;
    // What stands for a bin of a sketch is no integer.
    return (amount) =>
      Number.isInteger(amount)
        ? Number(divideHalfAway(BigInt(amount) * numerator, denominator))
        : (amount * Number(numerator)) / Number(denominator);
  }
}

const ONE: DayRate = { numerator: 1n, denominator: 1n };

/** A sum of money of several currencies and days in the target's minor units, rounded once. */
export class ConvertedSum {
  readonly #converter: Converter;
  readonly #sum = new FractionSum();

  constructor(converter: Converter) {
    this.#converter = converter;
  }

  /** Nothing needs no rate. */
  add(amount: ExactSum, currency: string, slot: number): void {
    if (amount === 0) return;
    const { numerator, denominator } = this.#converter.requireRate(currency, slot);
    this.#sum.add(BigInt(amount) * numerator, denominator);
  }

  get value(): ExactSum {
    return narrow(this.#sum.round());
  }
}
