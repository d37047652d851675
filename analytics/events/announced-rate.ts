import { type Members, own } from './cloud-event.ts';

/** Decimal text of at most this many digits, so that no precision is lost. */
const RATE = /^(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;
const CURRENCY = /^[A-Za-z]{3}$/;

/** What is missing of an `fx.rate` event that announces none. */
export const NO_RATE = 'fx.rate needs base and quote (ISO 4217) and a positive decimal rate';

/** The rate that the members of an `fx.rate` event, or those of its `data`, announce; undefined when it is none. */
export function announcedRate(
  members: Members,
  data: Members,
): { readonly base: string; readonly quote: string; readonly rate: string } | undefined {
  const member = (name: string): unknown => own(members, name) ?? own(data, name);
  const [base, quote, value] = [member('base'), member('quote'), member('rate')];
  const rate = typeof value === 'number' || typeof value === 'bigint' ? String(value) : value;
  if (typeof base !== 'string' || typeof quote !== 'string' || typeof rate !== 'string') return undefined;
  if (!CURRENCY.test(base) || !CURRENCY.test(quote) || !RATE.test(rate) || Number(rate) <= 0)
    return undefined;
  return { base: base.toUpperCase(), quote: quote.toUpperCase(), rate };
}
