import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { ShopState } from '../fixture-shop.ts';
import {
  type AskedFunnel,
  BEGIN_MS,
  funnelShop,
  randomFunnel,
  type Standing,
  standings,
} from './fixture-brute-force.ts';
import { adhocFunnelSchemaOf, type FunnelEntityRow } from './index.ts';

const seed = Number(process.env.FUNNEL_SEED ?? 7);

/** The numbers of an answer that standings give. */
function numbersOf(own: readonly Standing[], asked: AskedFunnel) {
  const reached = asked.steps.map((_, step) => own.filter(({ times_ms }) => times_ms.length > step));
  const percent = (a: number, b: number): number | null =>
    b === 0 ? null : Math.round((1_000 * a) / b) / 10;
  const of = (status: Standing['status'], step?: number): number =>
    own.filter((each) => each.status === status && (step === undefined || each.times_ms.length === step))
      .length;
  const entered = reached[0]?.length ?? 0;
  const last = asked.steps.length;
  const percentiles = (values: readonly number[]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const at = (part: number): number | null =>
      sorted.length === 0 ? null : (sorted[Math.ceil(part * sorted.length) - 1] as number) / 1_000;
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
  };
  const apart = ({ times_ms }: Standing, from: number, to: number): number =>
    (times_ms[to] as number) - (times_ms[from] as number);
  return {
    ...{ entered, converted: of('converted'), in_progress: of('in_progress'), dropped: of('dropped') },
    conversion: percent(of('converted'), entered),
    steps: asked.steps.map(({ event }, step) => ({
      ...{ name: event, event, count: reached[step]?.length },
      ...(step === 0
        ? {}
        : { conversion_from_prev: percent(reached[step]?.length ?? 0, reached[step - 1]?.length ?? 0) }),
      conversion_from_first: percent(reached[step]?.length ?? 0, entered),
      ...{ in_progress: of('in_progress', step + 1), dropped: of('dropped', step + 1) },
    })),
    dropoffs: asked.steps.slice(1).map(({ event }, at) => ({
      ...{ from: asked.steps[at]?.event, to: event },
      count: (reached[at]?.length ?? 0) - (reached[at + 1]?.length ?? 0),
      ...{ in_progress: of('in_progress', at + 1), dropped: of('dropped', at + 1) },
    })),
    time_to_convert_histogram: percentiles((reached[last - 1] ?? []).map((each) => apart(each, 0, last - 1))),
    time_between_steps: asked.steps.slice(1).map(({ event }, at) => ({
      ...{ from: asked.steps[at]?.event, to: event },
      ...percentiles((reached[at + 1] ?? []).map((each) => apart(each, at, at + 1))),
    })),
  };
}

interface Counted {
  readonly key: Readonly<Record<string, string | null>>;
  readonly trend?: readonly { readonly time: string; readonly entered: number; readonly counts: number[] }[];
}
interface Body extends Counted {
  readonly groups?: readonly Counted[];
  readonly groups_total?: number;
  readonly ungrouped?: number;
}

function groupedBy<T, K>(values: readonly T[], keyOf: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [value]);
    else known.push(value);
  }
  return groups;
}

/** The groups of standings: the largest first, the rest as one. */
function groupsOf(own: readonly Standing[], { group_by, limit }: AskedFunnel): [object, Standing[]][] {
  const groups = groupedBy(
    own.filter(({ group }) => group !== undefined),
    ({ group }) => group as string,
  );
  const sorted = [...groups].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  const keyed = (values: readonly string[]) =>
    Object.fromEntries(group_by.map((name, at) => [name, values[at] || null]));
  const rest = sorted.slice(limit).flatMap(([, each]) => each);
  return [
    ...sorted.slice(0, limit).map(([key, each]): [object, Standing[]] => [keyed(JSON.parse(key)), each]),
    ...(rest.length > 0 ? [[keyed(group_by.map(() => '__other__')), rest] as [object, Standing[]]] : []),
  ];
}

function trendOf(own: readonly Standing[], { steps, granularity }: AskedFunnel) {
  if (granularity === undefined) return undefined;
  const buckets = groupedBy(own, ({ times_ms: [entry = 0] }) => Math.floor(entry / 300_000));
  return [...buckets]
    .sort(([a], [b]) => a - b)
    .map(([bucket, each]) => ({
      time: new Date(bucket * 300_000).toISOString().replace('.000Z', 'Z'),
      entered: each.length,
      counts: steps.map((_, step) => each.filter(({ times_ms }) => times_ms.length > step).length),
    }));
}

function shownTrend({ trend }: Counted) {
  return trend?.flatMap(({ time, entered, counts }) => (entered === 0 ? [] : [{ time, entered, counts }]));
}

const watermarkOf = (explain: Readonly<Record<string, unknown>> | undefined): number =>
  Date.parse(explain?.complete_until as string);

function expectNumbers(body: Body, own: readonly Standing[], asked: AskedFunnel): void {
  expect(body).toMatchObject(numbersOf(own, asked));
  expect(shownTrend(body)).toEqual(trendOf(own, asked));
  if (asked.group_by.length === 0) return;
  const groups = groupsOf(own, asked);
  expect(body.groups?.map(({ key }) => key)).toEqual(groups.map(([key]) => key));
  for (const [at, [, each]] of groups.entries()) {
    expect(body.groups?.[at]).toMatchObject(numbersOf(each, asked));
    expect(shownTrend(body.groups?.[at] as Counted)).toEqual(trendOf(each, asked));
  }
  expect(body.ungrouped).toBe(own.filter(({ group }) => group === undefined).length);
}

describe(`funnels (seed ${seed})`, () => {
  it('count as a brute force does in every mode, whatever the arrival', async () => {
    const random = new SeededRandom(seed);
    const ways: Record<string, number> = {};
    let converted = 0;
    for (let shop = 0; shop < 3; shop++) {
      const events = funnelShop(seed * 100 + shop);
      const state = await ShopState.of(events);
      const shuffled = await ShopState.of(events, { shuffle: seed + shop, commit_events: 61 });
      for (let at = 0; at < sizes.random_funnels / 3; at++) {
        const asked = randomFunnel(random);
        const query = { ...asked, explain: true };
        const { body, explain } = await state.ask(state.kinds.funnel, query);
        const expected = standings(events, asked, watermarkOf(explain));
        try {
          expectNumbers(body as unknown as Body, expected, asked);
        } catch (error) {
          throw new Error(`shop ${seed * 100 + shop}: ${JSON.stringify(asked)}`, { cause: error });
        }
        const again = await shuffled.ask(shuffled.kinds.funnel, query);
        expect(JSON.stringify(again.body), JSON.stringify(asked)).toBe(JSON.stringify(body));
        ways[explain?.way as string] = (ways[explain?.way as string] ?? 0) + 1;
        converted += (body as { converted: number }).converted;
      }
    }
    expect(Object.keys(ways).sort()).toEqual(['labels', 'rows']);
    expect(converted).toBeGreaterThan(sizes.random_funnels);
  });

  it('are the same by labels and by rows', async () => {
    const random = new SeededRandom(seed + 1);
    const events = funnelShop(seed + 2, 900);
    const state = await ShopState.of(events, { shuffle: 3, commit_events: 40 });
    for (let at = 0; at < sizes.random_funnels / 2; at++) {
      const asked = { ...randomFunnel(random), group_by: [], attribution: 'first_step', hold_constant: [] };
      const labels = await state.ask(state.kinds.funnel, { ...asked, explain: true });
      // Held by what is equal on all events, nothing changes but the way.
      const rows = await state.ask(state.kinds.funnel, {
        ...asked,
        hold_constant: ['voucher_code'],
        explain: true,
      });
      expect([labels.explain?.way, rows.explain?.way]).toEqual(['labels', 'rows']);
      expect(labels.body).toEqual(rows.body);
    }
  });

  it('name the entities that a brute force finds, in one order whatever the arrival', async () => {
    const random = new SeededRandom(seed + 3);
    const events = funnelShop(seed + 4);
    const state = await ShopState.of(events);
    const shuffled = await ShopState.of(events, { shuffle: seed, commit_events: 53 });
    let named = 0;
    for (let at = 0; at < 20; at++) {
      const asked = randomFunnel(random);
      const explained = await state.ask(state.kinds.funnel, { ...asked, explain: true });
      const own = standings(events, asked, watermarkOf(explained.explain));
      const parsed = adhocFunnelSchemaOf().parse(asked);
      const status = random.pick([undefined, 'converted', 'in_progress', 'dropped'] as const);
      const step = random.int(1, asked.steps.length);
      const query = { ...parsed, step, status, limit: 1_000 };
      const listOf = async (shop: ShopState) => {
        const { body } = await shop.ask(shop.kinds.funnelEntities, query);
        const { entities, total } = body as unknown as { entities: FunnelEntityRow[]; total: number };
        const rows = entities.map(({ place: { hi, lo }, status: is, times_ms }) => ({
          hi,
          lo,
          is,
          times_ms,
        }));
        return { total, rows };
      };
      const found = await listOf(state);
      const expected = own.filter(({ status: is, times_ms }) =>
        status === undefined
          ? times_ms.length >= step
          : is === status && (is === 'converted' || times_ms.length === step),
      );
      const texts = (rows: readonly (readonly [string, readonly number[]])[]) =>
        rows.map((row) => JSON.stringify(row)).sort();
      expect(found.total).toBe(expected.length);
      expect(texts(found.rows.map(({ is, times_ms }) => [is, times_ms]))).toEqual(
        texts(expected.map(({ status: is, times_ms }) => [is, times_ms])),
      );
      expect(await listOf(shuffled)).toEqual(found);
      named += found.total;
    }
    expect(named).toBeGreaterThan(50);
  });

  it('change by a late event, a duplicate and a new version as they should, and by nothing else', async () => {
    const events = funnelShop(seed + 5);
    const state = await ShopState.of(events);
    const asked: AskedFunnel = {
      ...randomFunnel(new SeededRandom(1)),
      ...{ steps: [{ event: 'visit' }, { event: 'order.created', filters: { country: 'DE' } }] },
      ...{ window: '5m', order: 'ordered', entry: 'latest', ties: 'convert', entity: 'customer_id' },
      ...{ exclusions: [], hold_constant: [], group_by: [], attribution: 'first_step', limit: 25 },
      ...{ start: new Date(BEGIN_MS).toISOString(), end: new Date(BEGIN_MS + 3_600_000).toISOString() },
    };
    const ask = async () =>
      (await state.ask(state.kinds.funnel, { ...asked, explain: true })) as { body: object };
    const before = (await ask()).body;
    await state.add(events.slice(0, 50));
    expect((await ask()).body).toEqual(before);
    const at = (minutes: number): string => new Date(BEGIN_MS + minutes * 60_000).toISOString();
    const late = [
      { event_id: 'late1', type: 'visit', time: at(1), customer_id: 'new' },
      {
        event_id: 'late2',
        type: 'order.created',
        time: at(2),
        order_id: 'late',
        customer_id: 'new',
        country: 'GB',
      },
    ];
    await state.add(late);
    const dropped = (await ask()).body;
    expect(dropped).toMatchObject({ entered: (before as { entered: number }).entered + 1 });
    expect(dropped).toMatchObject({ converted: (before as { converted: number }).converted });
    // A newer version says another country: the order counts at its own time.
    const version = { ...late[1], event_id: 'late3', time: at(9), country: 'DE' };
    await state.add([version as (typeof events)[number]]);
    const all = [...events, ...late, version as (typeof events)[number]];
    const { body, explain } = await state.ask(state.kinds.funnel, { ...asked, explain: true });
    expect(body).toMatchObject({ converted: (before as { converted: number }).converted + 1 });
    expectNumbers(body as unknown as Body, standings(all, asked, watermarkOf(explain)), asked);
  });

  it('refuse what cannot be asked', () => {
    const schema = adhocFunnelSchemaOf();
    const good = {
      steps: [{ event: 'a' }, { event: 'b' }],
      start: '2025-01-01T00:00:00Z',
      end: '2025-01-02T00:00:00Z',
    };
    expect(schema.safeParse(good).success).toBe(true);
    for (const bad of [
      { steps: [{ event: 'a' }] },
      { steps: Array.from({ length: 33 }, () => ({ event: 'a' })) },
      { window: '7' },
      { window: '99999d' },
      { exclusions: [{ event: 'x', from: 2, to: 2 }] },
      { exclusions: [{ event: 'x', from: 1, to: 3 }] },
      { attribution: 'step_33' },
      { group_by: ['nothing'] },
    ])
      expect(schema.safeParse({ ...good, ...bad }).success, JSON.stringify(bad)).toBe(false);
  });
});
