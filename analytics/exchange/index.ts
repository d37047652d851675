export { ConvertedSum, Converter } from './converter.ts';
export { DayRates, type RatesByCurrency, readDayRates } from './day-rates.ts';
export { type HeldRate, NOTHING_ANNOUNCED, RateBook } from './rate-book.ts';
export { oneCurrency, RowMoney } from './row-money.ts';
