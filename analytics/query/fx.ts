import { ByteReader, ByteWriter, type KvView } from '../../engine/index.ts';
import { type ExactSum, narrow } from '../../operators/index.ts';
import { minorUnitExponent } from './currency.ts';
import type { AmountScale } from './details.ts';
import { QueryError } from './query-error.ts';
import { formatUtc } from './zone.ts';

/** Rates of a pair that are held at once, in time order; a query reads on when it passes the last. */
const RATES_PER_PAGE = 1_024;

/** Target minor units for one source minor unit, exact. */
export interface FxRate extends AmountScale {
  /** A sum in source minor units in the target's, rounded half to even. */
  convertSum(amount: ExactSum): ExactSum;
}

/**
 * The tenant's exchange rates towards one currency, from the raw table of `fx.rate` events: key =
 * tenant, base, quote (ordered strings), time (u48 ms); value = decimal text, units of quote for one
 * unit of base.
 */
export class FxRates {
  readonly #view: KvView;
  readonly #tenant: string;
  readonly #target: string;
  readonly #pairs = new Map<string, { direct: PairRates; inverse: PairRates }>();
  readonly #last = new Map<string, { time_ms: number; rate: FxRate }>();

  constructor(view: KvView, tenant: string, target: string) {
    this.#view = view;
    this.#tenant = tenant;
    this.#target = target;
  }

  /**
   * The newest rate at or before an instant, of the pair or of its inverse (the pair where both are as
   * new). Throws QueryError `fx_rate_missing`. Cheap when asked in order of time.
   */
  rateAt(unit: string, time_ms: number): FxRate {
    const last = this.#last.get(unit);
    if (last?.time_ms === time_ms) return last.rate;
    const rate = this.#find(unit, time_ms);
    this.#last.set(unit, { time_ms, rate });
    return rate;
  }

  #find(unit: string, time_ms: number): FxRate {
    if (unit === '') {
      throw new QueryError(
        'fx_rate_missing',
        `Some amounts have no currency, so they cannot be converted to ${this.#target}. Filter them out with filters.currency, or leave \`currency\` out.`,
      );
    }
    let pair = this.#pairs.get(unit);
    if (pair === undefined) {
      pair = {
        direct: new PairRates(this.#view, this.#tenant, unit, this.#target),
        inverse: new PairRates(this.#view, this.#tenant, this.#target, unit),
      };
      this.#pairs.set(unit, pair);
    }
    const direct = pair.direct.newestAt(time_ms);
    const inverse = pair.inverse.newestAt(time_ms);
    const exponents = minorUnitExponent(this.#target) - minorUnitExponent(unit);
    if (direct !== undefined && (inverse === undefined || direct.time_ms >= inverse.time_ms)) {
      return scaled(direct.numerator, direct.denominator, exponents);
    }
    if (inverse !== undefined) return scaled(inverse.denominator, inverse.numerator, exponents);
    throw new QueryError(
      'fx_rate_missing',
      `No exchange rate from ${unit} to ${this.#target} is known at ${formatUtc(time_ms)}. Publish an fx.rate event of that time or before, or leave \`currency\` out to get a group for each currency.`,
    );
  }
}

function scaled(rateNumerator: bigint, rateDenominator: bigint, exponents: number): FxRate {
  const numerator = rateNumerator * 10n ** BigInt(Math.max(0, exponents));
  const denominator = rateDenominator * 10n ** BigInt(Math.max(0, -exponents));
  return {
    factor: Number(numerator) / Number(denominator),
    convert: (amount) => Number(divideHalfEven(BigInt(amount) * numerator, denominator)),
    convertSum: (amount) => narrow(divideHalfEven(BigInt(amount) * numerator, denominator)),
  };
}

/** n/d rounded to the nearest integer, a half to the even one; d > 0. */
export function divideHalfEven(n: bigint, d: bigint): bigint {
  const quotient = n / d;
  const rest = n % d;
  const doubled = rest < 0n ? -2n * rest : 2n * rest;
  const up = doubled > d || (doubled === d && quotient % 2n !== 0n);
  return up ? quotient + (n < 0n ? -1n : 1n) : quotient;
}

interface StoredRate {
  readonly time_ms: number;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** One pair's rates, read a page at a time as the instants asked for move on. */
class PairRates {
  readonly #view: KvView;
  readonly #prefix: Uint8Array;
  #page: StoredRate[] = [];
  /** Index in the page of the newest rate that is not after the instant last asked for. */
  #at = -1;
  #complete = false;
  /** Where the next page begins. */
  #next_ms = 0;
  #asked_ms = Number.POSITIVE_INFINITY;

  constructor(view: KvView, tenant: string, base: string, quote: string) {
    this.#view = view;
    this.#prefix = new ByteWriter().orderedString(tenant).orderedString(base).orderedString(quote).copy();
  }

  newestAt(time_ms: number): StoredRate | undefined {
    if (time_ms < this.#asked_ms) this.#seek(time_ms);
    this.#asked_ms = time_ms;
    for (;;) {
      const next = this.#page[this.#at + 1];
      if (next !== undefined && next.time_ms <= time_ms) this.#at++;
      else if (next !== undefined || this.#complete) return this.#page[this.#at];
      else this.#read();
    }
  }

  /** Begins anew at the newest rate at or before an instant. */
  #seek(time_ms: number): void {
    this.#page = [];
    this.#at = -1;
    this.#complete = false;
    const range = { start: this.#bound(0), end: this.#bound(time_ms + 1), reverse: true };
    for (const { key, value } of this.#view.scan(range)) {
      const rate = this.#parse(key, value);
      if (rate === undefined) continue;
      this.#page = [rate];
      this.#at = 0;
      break;
    }
    this.#next_ms = time_ms + 1;
    this.#read();
  }

  /** Keeps the current rate and reads the next page after it. */
  #read(): void {
    const current = this.#page[this.#at];
    const rates: StoredRate[] = current === undefined ? [] : [current];
    const range = { start: this.#bound(this.#next_ms), end: this.#bound(MAX_TIME_MS), limit: RATES_PER_PAGE };
    let rows = 0;
    for (const { key, value } of this.#view.scan(range)) {
      rows++;
      this.#next_ms = this.#timeOf(key) + 1;
      const rate = this.#parse(key, value);
      if (rate !== undefined) rates.push(rate);
    }
    this.#complete = rows < RATES_PER_PAGE;
    this.#page = rates;
    this.#at = current === undefined ? -1 : 0;
  }

  #bound(time_ms: number): Uint8Array {
    return new ByteWriter().bytes(this.#prefix).u48(time_ms).copy();
  }

  #parse(key: Uint8Array, value: Uint8Array): StoredRate | undefined {
    const decimal = parseDecimal(Buffer.from(value).toString('latin1'));
    return decimal === undefined ? undefined : { time_ms: this.#timeOf(key), ...decimal };
  }

  #timeOf(key: Uint8Array): number {
    return new ByteReader(key.subarray(this.#prefix.length)).u48();
  }
}

const MAX_TIME_MS = 2 ** 48 - 1;

/** A positive decimal as a fraction; undefined for anything else. */
export function parseDecimal(
  text: string,
): { readonly numerator: bigint; readonly denominator: bigint } | undefined {
  const match = /^\+?(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const numerator = BigInt(whole + fraction);
  const scale = Number(exponent) - fraction.length;
  if (numerator === 0n) return undefined;
  return {
    numerator: scale > 0 ? numerator * 10n ** BigInt(scale) : numerator,
    denominator: scale < 0 ? 10n ** BigInt(-scale) : 1n,
  };
}
