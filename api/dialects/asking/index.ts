/** What the other APIs share: how they ask the first one, and forms of dates and money. */

export { answerMetaSchema } from './answer-meta.ts';
export { Asking, type AskingParts, Inquiries, totalsOf } from './asking.ts';
export { businessEvents, newestEvents, newestEventWith, readEvents } from './events.ts';
export { dayOf, rangeOfDays, spoken, wholeMinutes } from './local-dates.ts';
export { decimalOf, growthOf, shareOf } from './money.ts';
export { COVER_DAYS, LEVELS_DAYS, stockAt } from './stock.ts';
