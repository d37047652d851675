import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { isLong } from '../test/long.ts';
import { startTestApi, type TestApi } from './fixture-api.ts';
import { type Json, type Operation, openApiOf, World } from './fixture-operations.ts';
import { correctedShop, type Plain } from './fixture-recount.ts';

/** The same events in any order, some twice, in any commits: every query answers the same. */

const SEED = 11;
const GENEROUS = { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' };
/** What names the answer, the definition that was asked, or the way the state came about. */
const ASIDE: ReadonlySet<string> = new Set([
  ...['query_id', 'calculated_at', 'next_cursor', 'id', 'funnel_id', 'segment_id', 'cohort_id'],
  ...['position', 'as_of', 'late_events', 'staleness_ms', 'lag_messages'],
]);

interface Shop {
  readonly test: TestApi;
  readonly key: string;
  readonly world: World;
  readonly operations: readonly Operation[];
}

/** Events that arrive in `batches`, each of which is committed before the next one. */
async function shopOf(events: readonly Plain[], batch_events: number): Promise<Shop> {
  const test = await startTestApi(GENEROUS);
  const openApi = await openApiOf(test);
  // The tenant's own few events come first in each.
  const world = await World.of(test, openApi, 'default');
  await send(test, world.key, events, batch_events);
  return { test, key: world.key, world, operations: openApi.operations.filter(isQuery) };
}

async function send(
  test: TestApi,
  key: string,
  events: readonly Plain[],
  batch_events: number,
): Promise<void> {
  for (let from = 0; from < events.length; from += batch_events) {
    const sent = await test.send('/ingest', { key, json: events.slice(from, from + batch_events) });
    expect(await sent.json()).toMatchObject({ rejected: [] });
    await test.apply();
  }
}

/** Whether an operation answers from the state: what its documented answer says of it. */
function isQuery({ id, route, responses }: Operation): boolean {
  // What changed since a position is about the order of arrival.
  if (route.permission !== 'kpis:read' || id === 'listRestatements') return false;
  return id === 'batchKpis' || JSON.stringify(responses['200']?.content ?? {}).includes('resolved_range');
}

/** The answers of an operation to each example of it, without what is aside. */
async function answersOf({ test, key, world }: Shop, operation: Operation): Promise<string[]> {
  const { path, init } = await world.fill(operation);
  const bodies = operation.body?.examples ?? [undefined];
  const all: string[] = [];
  for (const body of bodies) {
    const asked = body === undefined ? init : { method: init.method ?? 'POST', json: body };
    const response = await test.send(path, { ...asked, key });
    const answer = (await response.json()) as Json;
    const shown = JSON.stringify(answer, (name, value) => (ASIDE.has(name) ? undefined : value));
    // Definitions are made anew for each: their names have numbers.
    all.push(`${operation.id} ${response.status} ${shown.replace(/"name":"[a-z]+_\d+"/g, '"name":""')}`);
  }
  return all;
}

async function allAnswers(shop: Shop): Promise<string[]> {
  const all: string[] = [];
  for (const operation of shop.operations) all.push(...(await answersOf(shop, operation)));
  return all;
}

/** Shows where they part. */
function expectSame(again: readonly string[], answers: readonly string[]): void {
  expect(again).toHaveLength(answers.length);
  for (const [at, answer] of answers.entries()) {
    const own = again[at] as string;
    if (own === answer) continue;
    let same = 0;
    while (own[same] === answer[same]) same++;
    const from = Math.max(0, same - 200);
    expect(`${answer.slice(0, 30)} … ${own.slice(from, same + 200)}`).toBe(
      `${answer.slice(0, 30)} … ${answer.slice(from, same + 200)}`,
    );
  }
}

describe(`every query (seed ${SEED})`, () => {
  const random = new SeededRandom(SEED);
  /** Good customers who are away. */
  const lapsed = [1, 2, 3].map((n) => ({
    ...{ event_id: `old${n}`, type: 'order.created', time: `2025-04-0${n}T10:00:00Z`, order_id: `old${n}` },
    ...{ customer_id: `old${n}`, currency: 'GBP', amount: 60_000, channel: 'web' },
  }));
  /** What questions about prices are about: another price each week. */
  const mugs = Array.from({ length: 60 }, (_, n) => {
    const sku = n % 2 === 0 ? 'mug-blue' : 'mug-red';
    const unit_price = 800 + 100 * (Math.floor(n / 7) % 4);
    const quantity = 1 + ((n * 7) % 3);
    const at = new Date(Date.UTC(2025, 5, 1 + n, 10)).toISOString();
    return {
      ...{
        event_id: `mug${n}`,
        type: 'order.created',
        time: at,
        order_id: `mug${n}`,
        customer_id: `mug${n % 5}`,
      },
      ...{ currency: 'GBP', amount: quantity * unit_price, channel: 'web' },
      items: [{ sku, category: 'mugs', quantity, unit_price }],
    };
  });
  const shop = correctedShop(SEED, { visits: 260, customers: 70 });
  const inPounds = shop.map((event) => ('currency' in event ? { ...event, currency: 'GBP' } : event));
  const events: readonly Plain[] = [...lapsed, ...mugs, ...inPounds];
  const twice = events.filter(() => random.chance(0.2));
  let inOrder: Shop;
  let answers: string[];

  beforeAll(async () => {
    const byTime = events.toSorted((a, b) => (`${a.time}` < `${b.time}` ? -1 : 1));
    inOrder = await shopOf(byTime, 1_000);
    answers = await allAnswers(inOrder);
  });
  afterAll(() => inOrder.test.close());

  it('is asked, and says something', () => {
    const ids = inOrder.operations.map(({ id }) => id).sort();
    expect(ids).toEqual(
      expect.arrayContaining([
        ...[
          'batchKpis',
          'compareAttribution',
          'listFunnelEntities',
          'listSegmentCustomers',
          'queryAdhocFunnel',
        ],
        ...[
          'queryAttribution',
          'queryCohortRetention',
          'queryCustomerSegment',
          'queryFraudTrends',
          'queryFunnel',
        ],
        ...['queryKpis', 'queryMarketingRoi', 'queryMultiTouch', 'queryRefundImpact', 'queryRetention'],
        ...['scoreCustomers', 'summarizeKpis', 'summarizeReturns', 'valueCustomers'],
      ]),
    );
    expect(answers.length).toBeGreaterThan(ids.length);
    const refused = answers.filter((answer) => !/^\w+ 200 /.test(answer));
    expect(refused.map((answer) => answer.slice(0, 300))).toEqual([]);
    // Each has a number that is not 0; but nobody is to be alerted here.
    const speaking = answers.filter((answer) => !answer.startsWith('previewAlert '));
    const silent = speaking.filter((answer) => !/":[1-9]/.test(answer.replace(/"meta":.*/, '')));
    expect(silent.map((answer) => answer.slice(0, 300))).toEqual([]);
  });

  it.each(isLong ? [37, 5_000] : [37])(
    'answers the same, whatever comes first and how often, %i at a time',
    async (batch_events) => {
      const shuffled = await shopOf(random.shuffled([...events, ...twice]), batch_events);
      const again = await allAnswers(shuffled);
      await shuffled.test.close();
      expectSame(again, answers);
      expect(again).toHaveLength(answers.length);
    },
  );

  it('changes by no duplicate, no event that it does not count, and no order that is sent again as it is', async () => {
    const { test, key } = inOrder;
    const note = { event_id: 'note', type: 'note.added', time: '2025-08-05T00:00:00Z' };
    await send(test, key, [...twice, note], 50);
    expectSame(await allAnswers(inOrder), answers);
    const orders = events.filter(({ type }) => type === 'order.created').slice(0, 20);
    const isNewest = (order: Plain): boolean =>
      events.every(
        (one) => one === order || one.order_id !== order.order_id || !/^order\.(c|u)/.test(one.type),
      );
    const copies = orders
      .filter(isNewest)
      .map((order) => ({ ...order, event_id: `again-${order.event_id}` }));
    expect(copies.length).toBeGreaterThan(5);
    await send(test, key, copies, 50);
    // Clusters of addresses are of events, of which there are more now.
    const ofOrders = (all: readonly string[]): string[] =>
      all.filter((answer) => !answer.startsWith('queryFraudTrends'));
    expectSame(ofOrders(await allAnswers(inOrder)), ofOrders(answers));
  });
});
