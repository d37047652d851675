const MS_OF_DAY = 86_400_000;
const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** What `parseEventTime` gives for bytes that are no RFC 3339 date-time. */
export const BAD_TIME = Number.NaN;

// Events of a batch mostly share a day: its number is worth remembering.
let lastDate = -1;
let lastDay_ms = 0;

/**
 * RFC 3339 date-time with offset from ASCII bytes [start, end) to ms since the epoch; fractions beyond
 * ms are cut. BAD_TIME when malformed. A leap second (:60) counts as the next second.
 */
export function parseEventTime(b: Uint8Array, start: number, end: number): number {
  if (end - start < 20) return BAD_TIME;
  const date = digits(b, start, 4) * 10_000 + digits(b, start + 5, 2) * 100 + digits(b, start + 8, 2);
  const hour = digits(b, start + 11, 2);
  const minute = digits(b, start + 14, 2);
  const second = digits(b, start + 17, 2);
  const separators =
    b[start + 4] === 0x2d && b[start + 7] === 0x2d && b[start + 13] === 0x3a && b[start + 16] === 0x3a;
  const t = b[start + 10] as number;
  // NaN fails every comparison, so digits that are none end here too.
  if (!separators || !(t === 0x54 || t === 0x74 || t === 0x20)) return BAD_TIME;
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return BAD_TIME;
  const day_ms = dayOf(date);
  let at = start + 19;
  let fraction_ms = 0;
  if (b[at] === 0x2e) {
    let scale = 100;
    const first = ++at;
    for (; at < end && isDigit(b[at] as number); at++) {
      if (scale >= 1) fraction_ms += ((b[at] as number) - 0x30) * scale;
      scale /= 10;
    }
    if (at === first) return BAD_TIME;
  }
  return day_ms + hour * 3_600_000 + minute * 60_000 + second * 1_000 + fraction_ms - offsetOf(b, at, end);
}

function offsetOf(b: Uint8Array, at: number, end: number): number {
  const sign = b[at] as number;
  if ((sign === 0x5a || sign === 0x7a) && at + 1 === end) return 0;
  if ((sign !== 0x2b && sign !== 0x2d) || at + 6 !== end || b[at + 3] !== 0x3a) return BAD_TIME;
  const hours = digits(b, at + 1, 2);
  const minutes = digits(b, at + 4, 2);
  if (!(hours <= 23 && minutes <= 59)) return BAD_TIME;
  return (sign === 0x2b ? 1 : -1) * (hours * 60 + minutes) * 60_000;
}

function dayOf(date: number): number {
  if (date === lastDate) return lastDay_ms;
  const year = Math.floor(date / 10_000);
  const month = Math.floor(date / 100) % 100;
  const day = date % 100;
  if (!(month >= 1 && month <= 12 && day >= 1)) return BAD_TIME;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day > (DAYS_OF_MONTH[month - 1] as number) + (leap && month === 2 ? 1 : 0)) return BAD_TIME;
  lastDate = date;
  lastDay_ms = daysFromCivil(year, month, day) * MS_OF_DAY;
  return lastDay_ms;
}

/** Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function digits(b: Uint8Array, at: number, count: number): number {
  let value = 0;
  for (let index = at; index < at + count; index++) {
    const byte = b[index] as number;
    if (!isDigit(byte)) return Number.NaN;
    value = value * 10 + (byte - 0x30);
  }
  return value;
}
