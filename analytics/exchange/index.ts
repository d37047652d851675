export { ConvertedSum, Converter } from './converter.ts';
export { DayRates, type RatesByCurrency, readDayRates } from './day-rates.ts';
export { oneCurrency, RowMoney } from './row-money.ts';
