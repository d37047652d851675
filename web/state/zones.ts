const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function partsIn(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-CA', {
    ...{ timeZone: zone, hourCycle: 'h23' as const, year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
  } as Intl.DateTimeFormatOptions);
  formats.set(zone, made);
  return made;
}

/** The time on the wall in a zone, as if it were UTC, ms. */
export function wallOf(ms: number, zone: string): number {
  const of = (type: string, all: readonly Intl.DateTimeFormatPart[]): number =>
    Number(all.find((part) => part.type === type)?.value ?? 0);
  const all = partsIn(zone).formatToParts(ms);
  const date = Date.UTC(of('year', all), of('month', all) - 1, of('day', all));
  return date + of('hour', all) * 3_600_000 + of('minute', all) * 60_000 + of('second', all) * 1_000;
}

/** The moment at which the wall shows it; the earlier of two, the later side of a gap. ms. */
export function momentOf(wall_ms: number, zone: string): number {
  let guess = wall_ms;
  for (let turn = 0; turn < 3; turn++) guess += wall_ms - wallOf(guess, zone);
  const earlier = guess - 3_600_000;
  return wallOf(earlier, zone) === wall_ms ? earlier : guess;
}

/** Midnight of the day in a zone, `days` later. ms. */
export function dayOf(ms: number, zone: string, days = 0): number {
  const wall = Math.floor(wallOf(ms, zone) / DAY_MS) * DAY_MS;
  return momentOf(wall + days * DAY_MS, zone);
}

/** The day in a zone, as `2026-03-29`. */
export const dateText = (ms: number, zone: string): string =>
  new Date(wallOf(ms, zone)).toISOString().slice(0, 10);

/** Midnight of a day that is given as `2026-03-29`; undefined for no date. ms. */
export function dateMs(text: string, zone: string): number | undefined {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(ms) ? undefined : momentOf(ms, zone);
}

export function isZone(zone: string): boolean {
  try {
    partsIn(zone);
    return true;
  } catch {
    return false;
  }
}
