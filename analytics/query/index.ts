export { minorUnitExponent } from './currency.ts';
export { parseDecimal } from './decimal.ts';
export * from './json-text.ts';
export * from './query-error.ts';
export * from './time.ts';
export * from './zone.ts';
