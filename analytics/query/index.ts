export { minorUnitExponent } from './currency.ts';
export { parseDecimal } from './decimal.ts';
export * from './json-text.ts';
export { saysKnownMembers } from './known-members.ts';
export * from './query-error.ts';
export { addRate, rateAt } from './rate-history.ts';
export { scanLog } from './scan-log.ts';
export * from './time.ts';
export * from './zone.ts';
