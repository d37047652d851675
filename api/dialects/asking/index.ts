/** What the other APIs share: how they ask the first one, and forms of dates and money. */

export { Asking, type AskingParts, totalsOf } from './asking.ts';
export { dayOf, rangeOfDays, spoken } from './local-dates.ts';
export { decimalOf, growthOf, shareOf } from './money.ts';
