/** Units of metrics, as the catalogue of metrics names them. */
export type Unit =
  | 'count'
  | 'distinct'
  | 'money'
  | 'ratio'
  | 'percent'
  | 'days'
  | 'seconds'
  | 'ms'
  | 'number';

const NONE = '–';
const digitsOf = new Map<string, number>();

/** Digits of a currency's minor unit: 2 for EUR, 0 for JPY, 3 for KWD. */
export function currencyDigits(currency: string): number {
  const known = digitsOf.get(currency);
  if (known !== undefined) return known;
  const digits = digitsIn(currency);
  digitsOf.set(currency, digits);
  return digits;
}

function digitsIn(currency: string): number {
  try {
    const { maximumFractionDigits } = new Intl.NumberFormat('en', {
      style: 'currency',
      currency,
    }).resolvedOptions();
    return maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

const number = (value: number, most: number, least = 0): string =>
  value.toLocaleString('en-GB', { maximumFractionDigits: most, minimumFractionDigits: least });

function short(value: number): string {
  return new Intl.NumberFormat('en-GB', { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

/** Minor units as text in major ones with the currency's code: `12.50 EUR`. */
export function money(minor: number, currency: string | null | undefined, isShort = false): string {
  if (currency === null || currency === undefined) return number(minor, 2);
  const digits = currencyDigits(currency);
  const major = minor / 10 ** digits;
  const text = isShort && Math.abs(major) >= 10_000 ? short(major) : number(major, digits, digits);
  return `${text} ${currency}`;
}

function duration(seconds: number): string {
  const abs = Math.abs(seconds);
  if (abs < 1) return `${number(seconds * 1_000, 0)} ms`;
  if (abs < 120) return `${number(seconds, 1)} s`;
  if (abs < 7_200) return `${number(seconds / 60, 1)} min`;
  if (abs < 172_800) return `${number(seconds / 3_600, 1)} h`;
  return `${number(seconds / 86_400, 1)} d`;
}

/** A value as a reader expects it; a dash for none. `isShort` for axes and small places. */
export function formatValue(
  value: number | string | null | undefined,
  unit: Unit | string = 'number',
  currency?: string | null,
  isShort = false,
): string {
  if (value === null || value === undefined) return NONE;
  const of = typeof value === 'string' ? Number(value) : value;
  if (!Number.isFinite(of)) return String(value);
  if (unit === 'money') return money(of, currency, isShort);
  if (unit === 'ratio') return `${number(of * 100, isShort ? 0 : 2)} %`;
  if (unit === 'percent') return `${number(of, isShort ? 0 : 1)} %`;
  if (unit === 'days') return `${number(of, 2)} d`;
  if (unit === 'seconds') return duration(of);
  if (unit === 'ms') return duration(of / 1_000);
  return isShort && Math.abs(of) >= 10_000 ? short(of) : number(of, 2);
}

/** A change in per cent with its sign; a dash where there is nothing to compare with. */
export function formatChange(percent: number | null | undefined): string {
  if (percent === null || percent === undefined) return NONE;
  return `${percent > 0 ? '+' : ''}${number(percent, Math.abs(percent) < 10 ? 1 : 0)} %`;
}

/** A moment in a zone: `30 Nov 2026, 14:05`, with seconds where asked. */
export function formatTime(
  time: string | number | null | undefined,
  zone: string,
  withSeconds = false,
): string {
  if (time === null || time === undefined) return NONE;
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  return date.toLocaleString('en-GB', {
    ...{
      timeZone: zone,
      day: 'numeric',
      month: 'short',
      year: 'numeric',
      hour: '2-digit',
      minute: '2-digit',
    },
    ...(withSeconds ? { second: '2-digit' } : {}),
  } as Intl.DateTimeFormatOptions);
}

/** The start of a bucket, as short as its granularity allows. */
export function formatBucket(time: string | number, zone: string, granularity: string): string {
  const date = new Date(time);
  const of = (options: Intl.DateTimeFormatOptions): string =>
    date.toLocaleString('en-GB', { timeZone: zone, ...options });
  if (granularity === '1h' || granularity === '1m')
    return of({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' });
  if (granularity === '1M' || granularity === '1Q') return of({ month: 'short', year: 'numeric' });
  if (granularity === '1Y') return of({ year: 'numeric' });
  return of({ day: 'numeric', month: 'short', year: 'numeric' });
}

/** How long ago, roughly: `4 s`, `3 min`, `2 d`. */
export function formatAge(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  if (s < 60) return `${s} s`;
  if (s < 3_600) return `${Math.round(s / 60)} min`;
  return s < 86_400 ? `${Math.round(s / 3_600)} h` : `${Math.round(s / 86_400)} d`;
}

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** Bytes with their unit: `4.2 MiB`. */
export function formatBytes(bytes: number): string {
  const at = Math.min(BYTES.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  return `${number(bytes / 1_024 ** at, at === 0 ? 0 : 1)} ${BYTES[at]}`;
}

/** How many in a second: `1.2K/s`. */
export const formatRate = (per_s: number): string =>
  `${per_s >= 1_000 ? short(per_s) : number(per_s, per_s < 10 ? 1 : 0)}/s`;
