import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { seedsOf } from '../../test/long.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import { ATTRIBUTION_METHODS, attributionMembersOf } from './attribution-schema.ts';
import { removalEffects } from './markov.ts';
import { splitExactly, TOUCH_METHODS, touchWeights } from './weights.ts';

const START = Date.UTC(2025, 2, 1);
const END = Date.UTC(2025, 4, 1);
const DAY_MS = 86_400_000;
const CAMPAIGNS = ['spring', 'brand', ''];
const CHANNELS = ['search', 'mail', 'direct', ''];

const iso = (at_ms: number): string => new Date(at_ms).toISOString();

/** Touches, orders, refunds and spend of a few customers; times on whole hours, so that there are ties. */
function shop(seed: number): ShopEvent[] {
  const random = new SeededRandom(seed);
  const hour = (): number => START - 40 * DAY_MS + random.int(0, 110 * 24) * 3_600_000;
  const events: ShopEvent[] = [];
  for (let n = 0; n < 700; n++) {
    const customer_id = `c${random.int(1, 25)}`;
    const type = random.pick(['visit', 'visit', 'campaign.clicked', 'order.created', 'product_viewed']);
    const base = { event_id: `e${n}`, type, time: iso(hour()), customer_id };
    if (type !== 'order.created') {
      events.push({ ...base, campaign: random.pick(CAMPAIGNS), channel: random.pick(CHANNELS) });
      continue;
    }
    const order_id = `o${n}`;
    const country = random.pick(['DE', 'FR']);
    const money = { amount: random.int(1, 9_999), discount: random.int(0, 300), currency: 'EUR' };
    events.push({ ...base, order_id, country, ...money });
    if (random.int(1, 3) === 1) {
      const amount = random.int(1, money.amount);
      const time = iso(Date.parse(base.time) + random.int(1, 60) * DAY_MS);
      events.push({ event_id: `r${n}`, type: 'refund.issued', time, order_id, amount, currency: 'EUR' });
    }
  }
  for (const [n, campaign] of ['spring', 'brand', 'spring'].entries()) {
    const spend = { type: 'campaign.spend', time: iso(START + n * DAY_MS), campaign, channel: 'search' };
    events.push({ event_id: `s${n}`, ...spend, amount: 1_000 * (n + 1), currency: 'EUR' });
  }
  return events;
}

interface Result {
  readonly key: Readonly<Record<string, string | null>>;
  readonly spend: number;
  readonly methods: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
}
interface Body {
  readonly results: readonly Result[];
  readonly unattributed: { readonly conversions: number; readonly revenue: number };
  readonly totals: { readonly conversions: number; readonly revenue: number; readonly spend: number };
}

interface Question {
  readonly lookback_days: number;
  readonly country?: string;
  readonly group_by: readonly ('campaign' | 'channel')[];
  readonly isNet: boolean;
}

type Plain = Readonly<Record<string, string | number>>;

/** By hand: per method and group [conversions, revenue], and what has no touch. */
function bruteForce(events: readonly ShopEvent[], { lookback_days, country, group_by, isNet }: Question) {
  const all = events as unknown as readonly Plain[];
  const time = (event: Plain): number => Date.parse(String(event.time));
  const orders = all.filter(({ type }) => type === 'order.created');
  const credits = new Map<string, [number, number]>();
  const none: [number, number] = [0, 0];
  for (const order of orders) {
    const at_ms = time(order);
    if (at_ms < START || at_ms >= END || (country !== undefined && order.country !== country)) continue;
    const before = orders
      .filter(({ customer_id }) => customer_id === order.customer_id)
      .map(time)
      .filter((other) => other < at_ms);
    const since = Math.max(Number.NEGATIVE_INFINITY, ...before);
    // Of orders at one time the first takes the touches; the test data have few such, and skip them.
    const touches = all
      .filter(({ type, customer_id }) => {
        return (type === 'visit' || type === 'campaign.clicked') && customer_id === order.customer_id;
      })
      .filter((touch) => {
        const touched_ms = time(touch);
        return touched_ms > since && touched_ms <= at_ms && touched_ms >= at_ms - lookback_days * DAY_MS;
      })
      .sort((a, b) => time(a) - time(b));
    const refunded = all
      .filter(({ type, order_id }) => type === 'refund.issued' && order_id === order.order_id)
      .reduce((sum, { amount }) => sum + Number(amount), 0);
    const value = Number(order.amount) - (isNet ? Number(order.discount) + refunded : 0);
    const groups = touches.map((touch) => JSON.stringify(group_by.map((name) => touch[name] ?? '')));
    if (groups.length === 0) {
      none[0] += 1;
      none[1] += value;
      continue;
    }
    const isDirect = ({ campaign, channel }: Plain): boolean =>
      campaign === '' && (channel === '' || channel === 'direct');
    const ages = touches.map((touch) => at_ms - time(touch));
    for (const [method, own] of Object.entries(weightsOf(groups, touches.map(isDirect)))) {
      const parts = shared(value, own);
      const all_of = own.reduce((sum, weight) => sum + weight, 0);
      for (const [at, weight] of own.entries())
        credit(credits, `${method} ${groups[at]}`, weight / all_of, parts[at] as number);
    }
    // Half of it for each week: no whole numbers, so rounded as floating point has it.
    const decayed = ages.map((age_ms) => 0.5 ** (age_ms / (7 * DAY_MS)));
    const all_of = decayed.reduce((sum, weight) => sum + weight, 0);
    for (const [at, weight] of decayed.entries())
      credit(credits, `time_decay ${groups[at]}`, weight / all_of, (value * weight) / all_of);
  }
  return { credits, none };
}

function credit(credits: Map<string, [number, number]>, key: string, part: number, money: number): void {
  const [conversions, revenue] = credits.get(key) ?? [0, 0];
  credits.set(key, [conversions + part, revenue + money]);
}

/** Weights of touches as whole numbers, by method. */
function weightsOf(groups: readonly string[], direct: readonly boolean[]): Record<string, number[]> {
  const last = groups.length - 1;
  const only = (chosen: number): number[] => groups.map((_, at) => (at === chosen ? 1 : 0));
  const nonDirect = direct.lastIndexOf(false);
  const countOf = (group: string): number => groups.filter((each) => each === group).length;
  const product = [...new Set(groups)].map(countOf).reduce((all, count) => all * count, 1);
  return {
    first_touch: only(0),
    last_touch: only(last),
    last_non_direct: only(nonDirect < 0 ? last : nonDirect),
    linear: groups.map(() => 1),
    position: groups.map((_, at) => (last > 1 && (at === 0 || at === last) ? 2 * (last - 1) : 1)),
    shapley: groups.map((group) => product / countOf(group)),
  };
}

/** A value in whole parts by whole weights: the largest remainders get the units left over, the first of equals first. */
function shared(value: number, weights: readonly number[]): number[] {
  const all = BigInt(weights.reduce((sum, weight) => sum + weight, 0));
  const size = BigInt(Math.abs(value));
  const exact = weights.map((weight) => size * BigInt(weight));
  const parts = exact.map((product) => product / all);
  let left = Number(size - parts.reduce((sum, part) => sum + part, 0n));
  const order = exact
    .map((product, at) => ({ at, rest: product % all }))
    .sort((a, b) => (a.rest === b.rest ? a.at - b.at : a.rest > b.rest ? -1 : 1));
  for (const { at } of order) if (left-- > 0) parts[at] = (parts[at] as bigint) + 1n;
  return parts.map((part) => Number(part) * Math.sign(value));
}

const hasTies = (events: readonly ShopEvent[]): boolean => {
  const names = events
    .filter(({ type }) => type !== 'refund.issued' && type !== 'campaign.spend')
    .map(({ customer_id, time }) => `${customer_id} ${time}`);
  return new Set(names).size < names.length;
};

const query = ({ lookback_days, country, group_by, isNet }: Question) => ({
  ...attributionMembersOf().parse({
    ...{ start: iso(START), end: iso(END), lookback: `${lookback_days}d`, group_by: [...group_by] },
    filters: country === undefined ? {} : { country },
    value: isNet ? 'revenue_net' : 'revenue_gross',
  }),
  methods: ATTRIBUTION_METHODS,
  isCompared: true,
});

const FIRST: Question = { lookback_days: 30, group_by: ['campaign', 'channel'], isNet: true };
const QUESTIONS = 15;

function randomQuestion(random: SeededRandom): Question {
  const country = random.pick([undefined, 'DE', 'FR']);
  return {
    lookback_days: random.int(1, 40),
    group_by: random.pick<Question['group_by']>([['campaign'], ['channel'], ['channel', 'campaign']]),
    isNet: random.chance(0.5),
    ...(country === undefined ? {} : { country }),
  };
}

describe('attribution', () => {
  it.each(seedsOf(1, 2, 3, 4))(
    'credits as a brute force does, whatever the arrival (seed %i)',
    async (seed) => {
      // Without ties of one customer, where only the ids of events tell their order.
      const seen = new Set<string>();
      const events = shop(seed).filter(({ type, customer_id, time }) => {
        const name = `${customer_id} ${time}`;
        if (type === 'refund.issued' || type === 'campaign.spend') return true;
        if (seen.has(name)) return false;
        seen.add(name);
        return true;
      });
      expect(hasTies(events)).toBe(false);
      const state = await ShopState.of(events);
      const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 57 });
      const random = new SeededRandom(seed);
      for (const question of [FIRST, ...Array.from({ length: QUESTIONS }, () => randomQuestion(random))]) {
        const { body } = (await state.ask(state.kinds.attribution, query(question))) as unknown as {
          body: Body;
        };
        const { credits, none } = bruteForce(events, question);
        expect(body.unattributed).toEqual({ conversions: none[0], revenue: none[1] });
        let compared = 0;
        for (const { key, methods } of body.results) {
          const group = JSON.stringify(question.group_by.map((name) => key[name] ?? ''));
          for (const method of TOUCH_METHODS) {
            const [conversions, revenue] = credits.get(`${method} ${group}`) ?? [0, 0];
            const said = JSON.stringify([question, method, group]);
            expect(methods[method]?.conversions, said).toBeCloseTo(conversions, 5);
            // By exact weights to the unit; a part by decay differs from the rounded one by less than a unit an order.
            const slack = method === 'time_decay' ? body.totals.conversions : 0;
            expect(Math.abs(Number(methods[method]?.revenue) - revenue), said).toBeLessThanOrEqual(slack);
            compared++;
          }
        }
        expect(compared).toBeGreaterThan(5);
        // To the penny: what is credited and what is not is all there is.
        for (const method of ATTRIBUTION_METHODS) {
          const sum = (member: string): number =>
            body.results.reduce((all, { methods }) => all + Number(methods[method]?.[member]), 0);
          expect(sum('revenue') + body.unattributed.revenue).toBe(body.totals.revenue);
          expect(sum('conversions') + body.unattributed.conversions).toBeCloseTo(body.totals.conversions, 4);
        }
        const again = await shuffled.ask(shuffled.kinds.attribution, query(question));
        expect(JSON.stringify(again.body)).toBe(JSON.stringify(body));
      }
      const { body } = (await state.ask(state.kinds.attribution, query(FIRST))) as unknown as {
        body: Body;
      };
      const spring = body.results.find(({ key }) => key.campaign === 'spring' && key.channel === 'search');
      expect(spring?.spend).toBe(4_000);
      const linear = spring?.methods.linear;
      expect(linear?.roas).toBeCloseTo(Number(linear?.revenue) / 4_000, 5);
      expect(body.results.find(({ spend }) => spend === 0)?.methods.linear?.roi).toBeNull();
    },
  );

  it('restates what a late refund takes back by the weights it had, and nothing else', async () => {
    const touch = (n: number, campaign: string, day: number): ShopEvent => ({
      ...{ event_id: `t${n}`, type: 'visit', time: iso(START + day * DAY_MS), customer_id: 'c', campaign },
    });
    const order: ShopEvent = {
      ...{ event_id: 'o', type: 'order.created', time: iso(START + 10 * DAY_MS), customer_id: 'c' },
      ...{ order_id: 'o1', amount: 1_000, currency: 'EUR' },
    };
    const state = await ShopState.of([touch(1, 'a', 1), touch(2, 'b', 2), touch(3, 'c', 3), order]);
    const asked = {
      ...query({ lookback_days: 30, group_by: ['campaign'], isNet: true }),
      methods: ['linear'],
      isCompared: false,
    };
    const ask = async () => (await state.ask(state.kinds.attribution, asked)) as unknown as { body: Body };
    const revenues = async () =>
      ((await ask()).body.results as unknown as { revenue: number }[]).map(({ revenue }) => revenue);
    expect(await revenues()).toEqual([334, 333, 333]);
    const refund = { event_id: 'r', type: 'refund.issued', time: iso(END + 90 * DAY_MS) };
    // The refund has neither customer nor currency: it inherits them.
    await state.add([{ ...refund, time: iso(END + 20 * DAY_MS), order_id: 'o1', amount: 400 }]);
    expect(await revenues()).toEqual([200, 200, 200]);
  });
});

describe('weights', () => {
  const touches = [0, 1, 2, 3].map((day) => ({ time_ms: day * DAY_MS, key: day % 2, isDirect: day > 1 }));
  it.each([
    ['first_touch', [1, 0, 0, 0]],
    ['last_touch', [0, 0, 0, 1]],
    ['last_non_direct', [0, 1, 0, 0]],
    ['linear', [1, 1, 1, 1]],
    ['time_decay', [0.125, 0.25, 0.5, 1]],
    ['position', [4, 1, 1, 4]],
    ['shapley', [1, 1, 1, 1]],
  ] as const)('of %s are these', (method, expected) => {
    for (const [at, weight] of touchWeights(method, touches, 3 * DAY_MS, DAY_MS).entries())
      expect(weight).toBeCloseTo(expected[at] as number, 12);
  });

  it('of one touch are all, of two by position a half each', () => {
    expect(touchWeights('position', touches.slice(0, 1), 0, 1)).toEqual([1]);
    expect(touchWeights('position', touches.slice(0, 2), 0, 1)).toEqual([1, 1]);
    const direct = touches.slice(2);
    expect(touchWeights('last_non_direct', direct, 0, 1)).toEqual([0, 1]);
  });

  it('split integers exactly, also negative ones', () => {
    expect(splitExactly(100, [1, 1, 1])).toEqual([34, 33, 33]);
    expect(splitExactly(-100, [1, 1, 1])).toEqual([-34, -33, -33]);
    expect(splitExactly(7, [0, 0])).toEqual([4, 3]);
    expect(splitExactly(0, [3, 1])).toEqual([0, 0]);
    const big = splitExactly(Number.MAX_SAFE_INTEGER, [0.3, 0.3, 0.4]);
    expect(big.reduce((sum, part) => sum + BigInt(part), 0n)).toBe(BigInt(Number.MAX_SAFE_INTEGER));
  });
});

describe('the removal effect', () => {
  it('is that of the textbook case', () => {
    // C1 > C2 > C3 > converted; C1 > lost; C2 > C3 > lost (Anderl et al., as taught with this example).
    const paths = [
      { keys: [1, 2, 3], conversions: 1, lost: 0 },
      { keys: [1], conversions: 0, lost: 1 },
      { keys: [2, 3], conversions: 0, lost: 1 },
    ];
    const effects = removalEffects(paths, 1);
    // P = 2/3·1/2·1/2 + 1/3·1/2 = 1/3; without C1: 1/3·1/2 = 1/6; without C2 or C3: 0.
    expect(effects.get(1)).toBeCloseTo(0.5, 12);
    expect(effects.get(2)).toBeCloseTo(1, 12);
    expect(effects.get(3)).toBeCloseTo(1, 12);
  });

  it('follows loops, and remembers as many touches as asked', () => {
    const loop = [{ keys: [1, 2, 1], conversions: 2, lost: 1 }];
    // 1 → 2 and 2 → 1; from 1: a half to 2, a third to conversion, a sixth lost. All go through 1.
    expect(removalEffects(loop, 1).get(1)).toBeCloseTo(1, 12);
    // p1 = 1/3 + 1/2·p1 = 2/3; without 2: 1/3.
    expect(removalEffects(loop, 1).get(2)).toBeCloseTo(0.5, 12);
    // With the order 2 or 3 the first 1 always leads to 2.
    expect(removalEffects(loop, 2).get(2)).toBeCloseTo(1, 12);
    expect(removalEffects([{ keys: [1], conversions: 0, lost: 3 }], 1).get(1)).toBe(0);
  });
});
