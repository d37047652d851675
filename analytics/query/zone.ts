import { Temporal } from 'temporal-polyfill';
import { QueryError } from './query-error.ts';

const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;
/** Beyond it the zone known longest is looked up again. There are about 600 names. */
const MAX_CACHED_ZONES = 256;

/** A stretch of time with one UTC offset, half-open. */
interface Regime {
  readonly start_ms: number;
  end_ms: number;
  readonly offset_ms: number;
}

/**
 * The wall clock of an IANA zone. Its UTC offsets are asked of Temporal a year at a time and kept, and
 * everything else is arithmetic on them: a Temporal call costs about 15 µs, a year's offsets once 1–3 ms.
 */
export class Zone {
  readonly id: string;
  readonly #years = new Map<number, readonly Regime[]>();

  constructor(id: string) {
    this.id = id;
  }

  /** Milliseconds to add to UTC for the wall clock at an instant. */
  offsetAt(time_ms: number): number {
    for (const regime of this.#yearOf(time_ms)) if (time_ms < regime.end_ms) return regime.offset_ms;
    return 0;
  }

  /** Days since 1970-01-01 of the local date at an instant. */
  localDay(time_ms: number): number {
    return Math.floor((time_ms + this.offsetAt(time_ms)) / DAY_MS);
  }

  /**
   * The first instant of a local date. Where the day has no midnight (São Paulo, 2018-11-04) it is the
   * first instant after the gap; where midnight comes twice, the first of them.
   */
  startOfDay(day: number): number {
    return this.instantOf(day * DAY_MS);
  }

  /** The instant of a wall clock's time, ms since 1970-01-01T00:00 there: after a gap, and the first of two. */
  instantOf(wall_ms: number): number {
    // Offsets lie within ±26 h, and a gap moves the start by at most a day (Samoa, 2011-12-30).
    for (const { start_ms, end_ms, offset_ms } of this.regimes(wall_ms - 2 * DAY_MS, wall_ms + 3 * DAY_MS)) {
      const candidate = Math.max(start_ms, wall_ms - offset_ms);
      if (candidate < end_ms) return candidate;
    }
    return wall_ms;
  }

  /** The offsets in force in [start, end), in time order, merged where they do not differ. */
  regimes(start_ms: number, end_ms: number): readonly Regime[] {
    const found: Regime[] = [];
    for (let year = yearOf(start_ms); year <= yearOf(end_ms); year++) {
      for (const regime of this.#regimesOf(year)) {
        const last = found.at(-1);
        if (last?.offset_ms === regime.offset_ms) last.end_ms = regime.end_ms;
        else found.push({ ...regime });
      }
    }
    return found;
  }

  /** RFC 3339 of an instant with the zone's offset; `Z` where a zone has never left UTC. */
  format(time_ms: number): string {
    if (this.id === 'UTC') return formatUtc(time_ms);
    const offset_ms = this.offsetAt(time_ms);
    const minutes = Math.round(Math.abs(offset_ms) / MINUTE_MS);
    const sign = offset_ms < 0 ? '-' : '+';
    const wall = new Date(time_ms + offset_ms).toISOString().slice(0, 19);
    return `${wall}${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  }

  #yearOf(time_ms: number): readonly Regime[] {
    return this.#regimesOf(yearOf(time_ms));
  }

  #regimesOf(year: number): readonly Regime[] {
    let regimes = this.#years.get(year);
    if (regimes === undefined) {
      regimes = lookUpYear(this.id, year);
      this.#years.set(year, regimes);
    }
    return regimes;
  }
}

function yearOf(time_ms: number): number {
  return new Date(time_ms).getUTCFullYear();
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}

function lookUpYear(id: string, year: number): readonly Regime[] {
  const end_ms = Date.UTC(year + 1, 0, 1);
  let at = Temporal.Instant.fromEpochMilliseconds(Date.UTC(year, 0, 1)).toZonedDateTimeISO(id);
  const regimes: Regime[] = [];
  for (;;) {
    const next = at.getTimeZoneTransition('next');
    const next_ms = Math.min(next?.epochMilliseconds ?? end_ms, end_ms);
    regimes.push({
      start_ms: at.epochMilliseconds,
      end_ms: next_ms,
      offset_ms: at.offsetNanoseconds / 1_000_000,
    });
    if (next === null || next_ms >= end_ms) return regimes;
    at = next;
  }
}

const zones = new Map<string, Zone>();

/** The zone of an IANA name, in any case. Throws QueryError `unknown_timezone`. */
export function zoneOf(name: string): Zone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = resolve(name);
  if (zones.size >= MAX_CACHED_ZONES) {
    for (const oldest of zones.keys()) {
      zones.delete(oldest);
      break;
    }
  }
  zones.set(name, zone);
  return zone;
}

/** Whether `zoneOf` knows the name. */
export function isTimeZone(name: string): boolean {
  try {
    zoneOf(name);
    return true;
  } catch (error) {
    if (error instanceof QueryError) return false;
    throw error;
  }
}

function resolve(name: string): Zone {
  // A bare offset such as +05:30 is a valid time zone of Temporal but has no calendar of its own.
  if (/^[A-Za-z]/.test(name)) {
    try {
      const { timeZoneId } = Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name);
      const id = /^(?:Etc\/)?(?:UTC|UCT|Zulu|Universal|GMT)$/i.test(timeZoneId) ? 'UTC' : timeZoneId;
      return zones.get(id) ?? new Zone(id);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  const message = `"${name}" is no time zone. Give an IANA name such as Europe/London, or UTC.`;
  throw new QueryError('unknown_timezone', message, [{ path: 'timezone', message }]);
}

/** RFC 3339 in UTC, without a fraction where there is none. */
export function formatUtc(time_ms: number): string {
  return new Date(time_ms).toISOString().replace('.000Z', 'Z');
}
