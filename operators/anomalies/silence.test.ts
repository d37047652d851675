import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { type Pulse, Silence } from './silence.ts';

const MINUTE_MS = 60_000;
const DAY = 1_440;
/** A Monday. */
const START_MS = Date.UTC(2026, 2, 2);

/** Events a minute, by the minute since the start. */
type Rate = (minute: number) => number;

function pulseOf(rate: Rate, minutes: number, bucket_minutes = 1): Pulse {
  const random = new SeededRandom(7);
  const counts = Array.from({ length: minutes }, (_, minute) => poisson(rate(minute), random));
  const bucket_ms = bucket_minutes * MINUTE_MS;
  return {
    bucket_ms,
    read: (start_ms, end_ms, add) => {
      counts.forEach((events, minute) => {
        const at_ms = Math.floor((START_MS + minute * MINUTE_MS) / bucket_ms) * bucket_ms;
        if (events > 0 && at_ms >= start_ms && at_ms < end_ms) add(at_ms, events);
      });
    },
  };
}

/** Silent windows of `width` minutes in [from, to), as minutes since the start. */
function silentOf(pulse: Pulse, width: number, from: number, to: number): number[] {
  const first = START_MS / MINUTE_MS / width;
  const grid = {
    indexOf: (time_ms: number) => Math.floor(time_ms / MINUTE_MS / width),
    startOf: (index: number) => index * width * MINUTE_MS,
  };
  const [start, end] = [first + from / width, first + to / width];
  const silence = new Silence(pulse, grid, start, end);
  const silent: number[] = [];
  for (let index = start; index < end; index++)
    if (silence.expectedOf(index) !== undefined) silent.push((index - first) * width);
  return silent;
}

const within = (minute: number, from: number, to: number): boolean => minute >= from && minute < to;
const timeOfDay = (minute: number): number => minute % DAY;

describe('pauses that come regularly are no silence', () => {
  it.each([
    ['14 minutes of each hour', (minute: number) => (within(minute % 60, 20, 34) ? 0 : 3)],
    ['every night', (minute: number) => (within(timeOfDay(minute), 7 * 60, 22 * 60) ? 3 : 0)],
    ['14 minutes of each hour, at another place in each', drifting],
  ] as const)('%s', (_, rate) => {
    const pulse = pulseOf(rate, 12 * DAY);
    for (const width of [1, 5, 60]) expect(silentOf(pulse, width, 8 * DAY, 12 * DAY)).toEqual([]);
    expect(silentOf(pulseOf(rate, 12 * DAY, 5), 60, 8 * DAY, 12 * DAY)).toEqual([]);
    expect(silentOf(pulseOf(rate, 12 * DAY, 5), DAY, 8 * DAY, 12 * DAY)).toEqual([]);
  });

  it('Sundays, from the second one on, and a night that begins an hour sooner', () => {
    const rate: Rate = (minute) => {
      const day = Math.floor(minute / DAY);
      const opens = day >= 18 ? 6 * 60 : 7 * 60;
      const isOpen = within(timeOfDay(minute), opens, opens + 15 * 60);
      return isOpen && day % 7 !== 6 ? 3 : 0;
    };
    for (const width of [1, 60])
      expect(silentOf(pulseOf(rate, 26 * DAY), width, 12 * DAY, 26 * DAY)).toEqual([]);
  });

  it('pauses of each hour in the first days', () => {
    const rate: Rate = (minute) => (within(minute % 60, 20, 34) ? 0 : 3);
    for (const width of [1, 5, 60]) expect(silentOf(pulseOf(rate, 4 * DAY), width, DAY, 4 * DAY)).toEqual([]);
  });
});

describe('a producer that stands is silent', () => {
  it('while it does, beside regular pauses', () => {
    const [from, to] = [9 * DAY + 600, 9 * DAY + 720];
    const stalled = (rate: Rate) =>
      pulseOf((minute) => (within(minute, from, to) ? 0 : rate(minute)), 10 * DAY);
    const fixed = stalled((minute) => (within(minute % 60, 20, 34) ? 0 : 3));
    expect(silentOf(fixed, 60, 9 * DAY, 10 * DAY)).toEqual([from, from + 60]);
    expect(silentOf(stalled(drifting), 60, 9 * DAY, 10 * DAY)).toEqual(
      expect.arrayContaining([from, from + 60]),
    );
  });

  it('in windows that hold few events each, once enough are missing', () => {
    const from = 9 * DAY + 600;
    const pulse = pulseOf((minute) => (within(minute, from, from + 30) ? 0 : 3), 10 * DAY);
    const silent = silentOf(pulse, 1, 9 * DAY, 10 * DAY);
    expect(silent.length).toBeGreaterThanOrEqual(24);
    expect(silent.at(-1)).toBe(from + 29);
    expect(silent).toEqual(silent.map((_, at) => (silent[0] as number) + at));
  });

  it('through the night, and for days', () => {
    const rate: Rate = (minute) => (within(timeOfDay(minute), 7 * 60, 22 * 60) ? 3 : 0);
    const from = 9 * DAY + 15 * 60;
    const pulse = pulseOf((minute) => (minute >= from ? 0 : rate(minute)), 13 * DAY);
    const silent = silentOf(pulse, 60, 9 * DAY, 13 * DAY);
    expect(silent).toEqual(Array.from({ length: 81 }, (_, hour) => from + hour * 60));
  });

  it('in the first days', () => {
    const from = DAY + 600;
    const pulse = pulseOf((minute) => (minute >= from ? 0 : 3), 3 * DAY);
    expect(silentOf(pulse, 60, DAY, 3 * DAY)).toEqual(
      Array.from({ length: 38 }, (_, hour) => from + hour * 60),
    );
  });

  it('and a window in which only its first minute is missing is not', () => {
    const from = 9 * DAY + 605;
    const pulse = pulseOf((minute) => (within(minute, from, from + 56) ? 0 : 3), 10 * DAY);
    expect(silentOf(pulse, 60, 9 * DAY, 10 * DAY)).toEqual([9 * DAY + 600]);
  });
});

/** A pause of 14 minutes in each hour, at a place that changes from hour to hour. */
function drifting(minute: number): number {
  const begins = (Math.floor(minute / 60) * 17) % 47;
  return within(minute % 60, begins, begins + 14) ? 0 : 3;
}

/** A Poisson number, by counting exponential steps. */
function poisson(mean: number, random: SeededRandom): number {
  let [count, product] = [0, unit(random)];
  while (product > Math.exp(-mean)) {
    count++;
    product *= unit(random);
  }
  return count;
}

const unit = (random: SeededRandom): number => random.int(0, 999_999) / 1_000_000;
