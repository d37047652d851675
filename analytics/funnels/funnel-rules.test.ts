import { beforeAll, describe, expect, it } from 'vitest';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';

/** One case for each rule. Events are written `type@minute`, with `+1` and `-1` for a millisecond and `:DE` for a country. */

const BEGIN_MS = Date.UTC(2025, 0, 10);
const at = (minutes: number): string => new Date(BEGIN_MS + minutes * 60_000).toISOString();
const RANGE = { start: at(0), end: at(100) };

interface Rule {
  readonly name: string;
  readonly events: string;
  readonly query?: Readonly<Record<string, unknown>>;
  /** Steps by letter; default: a b. */
  readonly steps?: string;
  /** Minutes at which the steps of the attempt that counts were reached; none: not in the funnel. */
  readonly reached: readonly number[];
  readonly group?: string | null;
}

const strictly = { ties: 'strict_increase' };
const excluding = (from: number, to: number, effect = 'drop_attempt') => ({
  exclusions: [{ event: 'x', from, to, effect }],
});

const RULES: readonly Rule[] = [
  { name: 'steps in order of time', events: 'a@0 b@1', reached: [0, 1] },
  { name: 'not the other way round', events: 'b@0 a@1', reached: [1] },
  { name: 'other events between do not matter', events: 'a@0 x@1 b@2', reached: [0, 2] },
  { name: 'what has no step 1 is not in it', events: 'b@0 x@1', reached: [] },
  // Ties.
  { name: 'tied events convert', events: 'b@5 a@5', reached: [5, 5] },
  { name: 'tied events do not convert strictly', events: 'b@5 a@5', query: strictly, reached: [5] },
  {
    name: 'of a tied group one step is filled strictly',
    steps: 'abc',
    events: 'a@0 b@5 c@5',
    query: strictly,
    reached: [0, 5],
  },
  { name: 'all of a tied group otherwise', steps: 'abc', events: 'a@0 c@5 b@5', reached: [0, 5, 5] },
  {
    name: 'a later event goes on strictly',
    steps: 'abc',
    events: 'a@0 b@5 c@5 c@6',
    query: strictly,
    reached: [0, 5, 6],
  },
  // One event, one step.
  { name: 'the same type twice needs two events', steps: 'aa', events: 'a@0', reached: [0] },
  { name: 'and has them', steps: 'aa', events: 'a@0 a@3', reached: [0, 3] },
  { name: 'also at one time', steps: 'aa', events: 'a@0 a@0', reached: [0, 0] },
  { name: 'but strictly not at one time', steps: 'aa', events: 'a@0 a@0', query: strictly, reached: [0] },
  // Re-entry.
  { name: 'a newer step 1 begins anew where it comes as far', events: 'a@0 a@3 b@5', reached: [3, 5] },
  { name: 'also where the older one is out of its window', events: 'a@0 a@8 b@15', reached: [8, 15] },
  {
    name: 'the older one counts where it comes further',
    steps: 'abc',
    events: 'a@0 b@1 a@2 c@3',
    reached: [0, 1, 3],
  },
  { name: 'a newer one that comes as far as nothing', steps: 'ab', events: 'a@0 b@1 a@50', reached: [0, 1] },
  { name: 'only the first counts if asked', events: 'a@0 a@8 b@15', query: { entry: 'first' }, reached: [0] },
  { name: 'the first converts', events: 'a@0 a@8 b@9', query: { entry: 'first' }, reached: [0, 9] },
  // Window.
  { name: "the window's end is in it", events: 'a@0 b@10', reached: [0, 10] },
  { name: 'a millisecond later is not', events: 'a@0 b@10+1', reached: [0] },
  { name: 'the window is from step 1 on', steps: 'abc', events: 'a@0 b@9 c@11', reached: [0, 9] },
  { name: 'a window of nothing takes one time', events: 'a@0 b@0', query: { window: '0s' }, reached: [0, 0] },
  // Strict order.
  { name: 'nothing may come between', events: 'a@0 x@1 b@2', query: { order: 'strict' }, reached: [0] },
  { name: 'before and after it may', events: 'x@0 a@1 b@2 x@3', query: { order: 'strict' }, reached: [1, 2] },
  {
    name: 'a newer entry has nothing between',
    events: 'a@0 x@1 a@2 b@3',
    query: { order: 'strict' },
    reached: [2, 3],
  },
  {
    name: 'what is tied stands before or after',
    events: 'x@0 a@0 b@2 x@2',
    query: { order: 'strict' },
    reached: [0, 2],
  },
  {
    name: 'but not in the middle',
    steps: 'abc',
    events: 'a@0 b@2 x@2 c@3',
    query: { order: 'strict' },
    reached: [0, 2],
  },
  // Any order.
  {
    name: 'any order counts by completion',
    steps: 'abc',
    events: 'c@0 a@1 b@2',
    query: { order: 'any' },
    reached: [0, 1, 2],
  },
  {
    name: 'any order needs different events',
    steps: 'ab',
    events: 'b@0 b@1',
    query: { order: 'any' },
    reached: [1],
  },
  // Exclusions.
  { name: 'an exclusion takes the attempt', events: 'a@0 x@1 b@2', query: excluding(1, 2), reached: [] },
  { name: 'not at the time of a step', events: 'a@0 x@0 b@2 x@2', query: excluding(1, 2), reached: [0, 2] },
  { name: 'a millisecond after a step', events: 'a@0 x@0+1 b@2', query: excluding(1, 2), reached: [] },
  { name: 'another attempt is left', events: 'a@0 x@1 a@2 b@3', query: excluding(1, 2), reached: [2, 3] },
  {
    name: 'to a step that is not reached: to the end of the window',
    events: 'a@0 x@10',
    query: excluding(1, 2),
    reached: [],
  },
  { name: 'and no further', events: 'a@0 x@10+1', query: excluding(1, 2), reached: [0] },
  {
    name: 'outside its span it does not matter',
    steps: 'abc',
    events: 'a@0 x@1 b@2 c@3',
    query: excluding(2, 3),
    reached: [0, 2, 3],
  },
  { name: 'the user is out', events: 'a@0 x@1 a@20 b@21', query: excluding(1, 2, 'drop_user'), reached: [] },
  // Held properties.
  {
    name: 'held values are equal',
    events: 'a@0:DE b@1:GB b@2:DE',
    query: { hold_constant: ['country'] },
    reached: [0, 2],
  },
  { name: 'or do not convert', events: 'a@0:DE b@1:GB', query: { hold_constant: ['country'] }, reached: [0] },
  { name: 'none is a value', events: 'a@0 b@1', query: { hold_constant: ['country'] }, reached: [0, 1] },
  {
    name: 'exclusions look at all values',
    events: 'a@0:DE x@1:GB b@2:DE',
    query: { hold_constant: ['country'], ...excluding(1, 2) },
    reached: [],
  },
  // Range.
  { name: 'the range restricts the entry only', events: 'a@95 b@104', reached: [95, 104] },
  { name: 'an entry at its end is out', events: 'a@100 b@101', reached: [] },
  {
    name: 'the last entry of it converts at the end of its window',
    events: 'a@99 b@109',
    reached: [99, 109],
  },
  {
    name: 'so does one a millisecond before its end',
    events: 'a@100-1 b@110-1',
    reached: [100 - 1 / 60_000, 110 - 1 / 60_000],
  },
  // Groups.
  {
    name: 'group of the first step',
    events: 'a@0:DE b@1:GB',
    query: { group_by: ['country'] },
    reached: [0, 1],
    group: 'DE',
  },
  {
    name: 'group of the last step',
    events: 'a@0:DE b@1:GB',
    query: { group_by: ['country'], attribution: 'last_step' },
    reached: [0, 1],
    group: 'GB',
  },
  {
    name: 'group of the furthest step',
    events: 'a@0:DE',
    query: { group_by: ['country'], attribution: 'last_step' },
    reached: [0],
    group: 'DE',
  },
  {
    name: 'group of a step',
    events: 'a@0:DE b@1',
    query: { group_by: ['country'], attribution: 'step_2' },
    reached: [0, 1],
    group: null,
  },
];

const STEP = /^([a-z])@(\d+)([+-]1)?(?::(\w+))?$/;

function eventsOf({ events }: Rule, which: number): ShopEvent[] {
  return events.split(' ').map((word, n) => {
    const [, type = '', minutes = '', more, country] = STEP.exec(word) ?? [];
    const time = new Date(BEGIN_MS + Number(minutes) * 60_000 + Number(more ?? 0)).toISOString();
    const own = { event_id: `r${which}.${n}`, type, time, customer_id: `r${which}`, campaign: `r${which}` };
    return country === undefined ? own : { ...own, country };
  });
}

interface Body {
  readonly entered: number;
  readonly converted: number;
  readonly in_progress: number;
  readonly dropped: number;
  readonly steps: readonly { readonly count: number }[];
  readonly time_between_steps: readonly { readonly p50: number | null }[];
  readonly trend: readonly { readonly time: string; readonly entered: number }[];
  readonly groups?: readonly { readonly key: { readonly country: string | null } }[];
}

let state: ShopState;

beforeAll(async () => {
  state = await ShopState.of([
    ...RULES.flatMap(eventsOf),
    { event_id: 'clock', type: 'x', time: at(200), customer_id: 'clock' },
  ]);
});

async function ask(steps: string, query: Readonly<Record<string, unknown>>): Promise<Body> {
  const asked = { steps: [...steps].map((event) => ({ event })), window: '10m', ...RANGE, ...query };
  return (await state.ask(state.kinds.funnel, asked)).body as unknown as Body;
}

describe('the rules of funnels', () => {
  it.each(RULES.map((rule, which) => ({ ...rule, which })))('$name: $events', async (rule) => {
    const { steps = 'ab', query = {}, reached, which, group } = rule;
    // Labels and rows.
    for (const way of [{}, { hold_constant: ['voucher_code'] }]) {
      const filters = { campaign: `r${which}` };
      const body = await ask(steps, { filters, granularity: '1m', ...way, ...query });
      const counts = [...steps].map((_, step) => (reached.length > step ? 1 : 0));
      expect(body.steps.map(({ count }) => count)).toEqual(counts);
      expect(body.converted).toBe(reached.length === steps.length ? 1 : 0);
      expect(body.dropped).toBe(reached.length > 0 && reached.length < steps.length ? 1 : 0);
      const entries = body.trend.filter(({ entered }) => entered > 0).map(({ time }) => Date.parse(time));
      expect(entries).toEqual(reached.slice(0, 1).map((minutes) => BEGIN_MS + Math.floor(minutes) * 60_000));
      const between = reached
        .slice(1)
        .map((minutes, before) => Math.round((minutes - (reached[before] as number)) * 60));
      const times = body.time_between_steps.flatMap(({ p50 }) => (p50 === null ? [] : [p50]));
      expect(times).toEqual(between);
      if (group !== undefined) expect(body.groups?.map(({ key }) => key.country)).toEqual([group]);
    }
  });

  it('an entity is in progress until its window is over at the watermark', async () => {
    const live = await ShopState.of([
      { event_id: '1', type: 'a', time: at(0), customer_id: 'over' },
      { event_id: '2', type: 'a', time: at(10), customer_id: 'open' },
      { event_id: '3', type: 'a', time: at(10), customer_id: 'done' },
      { event_id: '4', type: 'b', time: at(11), customer_id: 'done' },
      { event_id: '5', type: 'x', time: at(16), customer_id: 'clock' },
    ]);
    const query = { steps: [{ event: 'a' }, { event: 'b' }], window: '10m', ...RANGE, granularity: '5m' };
    const { body } = await live.ask(live.kinds.funnel, query);
    expect(body).toMatchObject({ entered: 3, converted: 1, in_progress: 1, dropped: 1 });
    const { trend } = body as unknown as { trend: { entered: number; complete: boolean }[] };
    expect(trend.slice(0, 3)).toMatchObject([
      { entered: 1, complete: true },
      { entered: 0, complete: false },
      { entered: 2, complete: false },
    ]);
    // Its window is over exactly at the watermark.
    const { explain } = await live.ask(live.kinds.funnel, { ...query, explain: true });
    const watermark_ms = Date.parse(explain?.complete_until as string);
    const exact = { ...query, window: `${watermark_ms - BEGIN_MS}ms` };
    expect((await live.ask(live.kinds.funnel, exact)).body).toMatchObject({ dropped: 1, in_progress: 1 });
    const longer = { ...query, window: `${watermark_ms - BEGIN_MS + 1}ms` };
    expect((await live.ask(live.kinds.funnel, longer)).body).toMatchObject({ dropped: 0, in_progress: 2 });
  });
});
