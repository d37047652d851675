import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';

const DAY_MS = 86_400_000;
const BEGIN = Date.UTC(2024, 11, 1);
const START = '2025-01-01T00:00:00Z';
const END = '2025-04-01T00:00:00Z';
const iso = (at_ms: number): string => new Date(at_ms).toISOString();

type Plain = Readonly<Record<string, string>>;

/** Visits and orders of customers; some orders are sent again later under another event id. */
function shop(seed: number): ShopEvent[] {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  for (let n = 0; n < 500; n++) {
    const time = iso(BEGIN + random.int(0, 250 * 24) * 3_600_000);
    const customer_id = `c${random.int(1, 60)}`;
    const dimensions = { channel: random.pick(['web', 'app']), campaign: random.pick(['a', 'b', '']) };
    if (random.int(1, 3) === 1) {
      events.push({ event_id: `v${n}`, type: 'visit', time, customer_id, ...dimensions });
      continue;
    }
    const order = { order_id: `o${n}`, customer_id, ...dimensions, amount: 100, currency: 'EUR' };
    events.push({ event_id: `e${n}`, type: 'order.created', time, ...order });
    if (random.int(1, 6) === 1) {
      const again = iso(Date.parse(time) + random.int(1, 60) * DAY_MS);
      events.push({ event_id: `again${n}`, type: 'order.created', time: again, ...order });
    }
  }
  return events;
}

interface Question {
  readonly start: string;
  readonly back: string;
  readonly mode: 'first_time' | 'recurring';
  readonly period: 'day' | 'week' | 'month';
  readonly alignment: 'calendar' | 'rolling';
  readonly retention: 'on' | 'on_or_after' | 'on_or_before';
  readonly group_by?: readonly string[];
}

/** The local calendar in UTC, written down once more. */
function bucketName(at_ms: number, period: Question['period']): number {
  const date = new Date(at_ms);
  if (period === 'month') return date.getUTCFullYear() * 12 + date.getUTCMonth();
  const day = Math.floor(at_ms / DAY_MS);
  return period === 'day' ? day : Math.floor((day + 3) / 7);
}

const PERIODS = 5;
const LENGTH_MS = { day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS };

/** cohort month and values → [size, returned by period], entity by entity from the raw events. */
function bruteForce(events: readonly ShopEvent[], asked: Question): Map<string, number[]> {
  // The same order twice is one order, at its first time.
  const first = new Map<string, Plain>();
  for (const event of events as unknown as readonly Plain[]) {
    const name = event.order_id ?? (event.event_id as string);
    const known = first.get(name);
    if (known === undefined || String(event.time) < String(known.time)) first.set(name, event);
  }
  const all = [...first.values()];
  const counts = new Map<string, number[]>();
  for (const customer of new Set(all.map(({ customer_id }) => customer_id))) {
    const own = all.filter(({ customer_id }) => customer_id === customer);
    const times = (type: string): Plain[] =>
      own.filter((event) => event.type === type).sort((a, b) => (String(a.time) < String(b.time) ? -1 : 1));
    const starts = times(asked.start);
    const backs = times(asked.back).map(({ time }) => Date.parse(time as string));
    const seen = new Set<number>();
    for (const start of asked.mode === 'first_time' ? starts.slice(0, 1) : starts) {
      const at_ms = Date.parse(start.time as string);
      const month = bucketName(at_ms, 'month');
      if (at_ms < Date.parse(START) || at_ms >= Date.parse(END) || seen.has(month)) continue;
      seen.add(month);
      const values = (asked.group_by ?? []).map((name) => start[name] || null);
      const key = JSON.stringify([month, values]);
      const row = counts.get(key) ?? new Array<number>(PERIODS + 1).fill(0);
      counts.set(key, row);
      row[0] = (row[0] ?? 0) + 1;
      const periods = new Set(
        backs
          .filter((back_ms) => back_ms >= at_ms)
          .map((back_ms) =>
            asked.alignment === 'rolling'
              ? Math.floor((back_ms - at_ms) / LENGTH_MS[asked.period])
              : bucketName(back_ms, asked.period) - bucketName(at_ms, asked.period),
          )
          .filter((period) => period < PERIODS),
      );
      for (let period = 0; period < PERIODS; period++) {
        const came =
          asked.retention === 'on' || (asked.retention === 'on_or_before' && period === 0)
            ? periods.has(period)
            : [...periods].some((at) =>
                asked.retention === 'on_or_after' ? at >= period : at >= 1 && at <= period,
              );
        if (came) row[period + 1] = (row[period + 1] ?? 0) + 1;
      }
    }
  }
  return counts;
}

interface Row {
  readonly cohort: string;
  readonly key?: Readonly<Record<string, string | null>>;
  readonly size: number;
  readonly periods: readonly { readonly returned: number | null; readonly incomplete?: true }[];
}
interface Body {
  readonly cohorts: readonly Row[];
  readonly size: number;
  readonly means: readonly { readonly weighted: number | null; readonly simple: number | null }[];
}

function asked(question: Question) {
  const { start, back, mode, period, alignment, retention, group_by } = question;
  return {
    criteria: { type: 'event', start: { event: start }, mode, bucket: 'month', group_by },
    ...{ start: START, end: END, return: { event: back }, period, periods: PERIODS, alignment, retention },
  };
}

const QUESTIONS: readonly Question[] = (['first_time', 'recurring'] as const).flatMap((mode) =>
  (['calendar', 'rolling'] as const).flatMap((alignment) =>
    (['on', 'on_or_after', 'on_or_before'] as const).flatMap((retention) =>
      (['day', 'week', 'month'] as const).flatMap((period) => [
        { start: 'order.created', back: 'order.created', mode, alignment, retention, period },
        { start: 'visit', back: 'order.created', mode, alignment, retention, period, group_by: ['channel'] },
      ]),
    ),
  ),
);

describe('retention', () => {
  it.each(seedsOf(1, 2, 3))(
    'counts as a brute force does in every mode, whatever the arrival (seed %i)',
    async (seed) => {
      const events = shop(seed);
      const state = await ShopState.of(events);
      const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 61 });
      for (const question of QUESTIONS) {
        const { body } = await state.ask(state.kinds.retention, asked(question));
        const { cohorts } = body as unknown as Body;
        const found = new Map(
          cohorts.map(({ cohort, key = {}, size, periods }) => [
            JSON.stringify([
              bucketName(Date.parse(cohort), 'month'),
              (question.group_by ?? []).map((name) => key[name]),
            ]),
            [size, ...periods.map(({ returned }) => returned ?? 0)],
          ]),
        );
        expect(found, JSON.stringify(question)).toEqual(bruteForce(events, question));
        const again = await shuffled.ask(shuffled.kinds.retention, asked(question));
        expect(JSON.stringify(again.body)).toBe(JSON.stringify(body));
      }
    },
  );

  it.each(seedsOf(4, 5))(
    'is the same by masks and by rows, with orders that change hands (seed %i)',
    async (seed) => {
      const random = new SeededRandom(seed);
      const events = shop(seed).flatMap((event): ShopEvent[] => {
        if (event.type !== 'order.created' || random.int(1, 4) > 1) return [event];
        const later = iso(Date.parse(event.time as string) + random.int(0, 9) * DAY_MS);
        const customer_id = `c${random.int(1, 60)}`;
        return [event, { ...event, event_id: `moved-${event.event_id}`, time: later, customer_id }];
      });
      const state = await ShopState.of(events, { shuffle: seed, commit_events: 41 });
      for (const mode of ['first_time', 'recurring'])
        for (const retention of ['on', 'on_or_after', 'on_or_before'])
          for (const [bucket, timezone, end] of [
            ['month', 'UTC', '2025-04-01T00:00:00Z'],
            ['week', 'Europe/Berlin', '2025-03-30T22:00:00Z'],
            ['day', 'UTC', '2025-01-20T00:00:00Z'],
          ] as const) {
            const ask = (filters: object) => {
              const event = { event: 'order.created', filters };
              const criteria = { type: 'event', start: event, mode, bucket };
              const query = { criteria, return: event, start: START, end, timezone, retention, periods: 8 };
              return state.ask(state.kinds.retention, { ...query, explain: true });
            };
            const [masks, rows] = [await ask({}), await ask({ currency: ['EUR'] })];
            expect([masks, rows].map(({ explain }) => explain?.way)).toEqual(['masks', 'rows']);
            expect(masks.body).toEqual(rows.body);
            expect((masks.body as unknown as Body).size).toBeGreaterThan(5);
          }
    },
  );

  it('says what is not over yet, and leaves out of the means what is not complete', async () => {
    const order = (n: number, customer_id: string, time: string): ShopEvent => ({
      ...{ event_id: `e${n}`, type: 'order.created', time, order_id: `o${n}`, customer_id, amount: 1 },
    });
    const state = await ShopState.of([
      order(1, 'a', '2025-01-05T00:00:00Z'),
      order(2, 'b', '2025-01-06T00:00:00Z'),
      order(3, 'a', '2025-02-05T00:00:00Z'),
      order(4, 'c', '2025-02-07T00:00:00Z'),
      order(5, 'c', '2025-03-07T00:00:00Z'),
    ]);
    const query = { start: START, end: END, periods: 4 };
    const { body } = await state.ask(state.kinds.retention, query);
    const { cohorts, means } = body as unknown as Body;
    // The watermark is at March 7: January's periods 0 and 1 are over, 2 is not, 3 has not begun.
    expect(cohorts).toMatchObject([
      { cohort: '2025-01-01T00:00:00Z', size: 2 },
      { cohort: '2025-02-01T00:00:00Z', size: 1 },
    ]);
    expect(cohorts[0]?.periods).toEqual([
      { period: 0, returned: 2, retention: 100 },
      { period: 1, returned: 1, retention: 50 },
      { period: 2, returned: 0, retention: 0, incomplete: true },
      { period: 3, returned: null, retention: null },
    ]);
    expect(cohorts[1]?.periods[1]).toEqual({ period: 1, returned: 1, retention: 100, incomplete: true });
    expect(means.slice(0, 3)).toEqual([
      { period: 0, cohorts: 2, weighted: 100, simple: 100 },
      { period: 1, cohorts: 1, weighted: 50, simple: 50 },
      { period: 2, cohorts: 0, weighted: null, simple: null },
    ]);
  });

  it('goes by the days of the zone, across daylight saving', async () => {
    const visit = (n: number, time: string): ShopEvent => ({
      ...{ event_id: `v${n}`, type: 'visit', time, customer_id: 'a' },
    });
    // London: 2025-03-30 has 23 hours; 22:30Z on that day is 23:30 there, 23:30Z is the next day.
    const state = await ShopState.of([
      visit(1, '2025-03-29T23:30:00Z'),
      visit(2, '2025-03-30T22:30:00Z'),
      visit(3, '2025-03-30T23:30:00Z'),
    ]);
    const query = {
      criteria: { type: 'event', start: { event: 'visit' }, bucket: 'day' },
      ...{ start: '2025-03-29T00:00:00Z', end: '2025-03-30T00:00:00Z', return: { event: 'visit' } },
      ...{ periods: 3, timezone: 'Europe/London' },
    };
    const { body } = await state.ask(state.kinds.retention, query);
    expect((body as unknown as Body).cohorts[0]?.periods.map(({ returned }) => returned)).toEqual([1, 1, 1]);
  });
});
