import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

const DAY_MS = 86_400_000;
const FIRST_MS = Date.UTC(2025, 5, 2);
const DAYS = 70;
/** Of the item whose price moves. */
const ELASTICITY = -2;
const PRICES = [1_000, 900, 1_100, 950, 1_050];

let test: TestApi;
let analyst: string;
beforeEach(async () => {
  test = await startTestApi();
  analyst = await test.key('analyst');
});
afterEach(() => test.close());

const timeOf = (day: number): string => new Date(FIRST_MS + day * DAY_MS + 36_000_000).toISOString();
const priceOf = (day: number): number => PRICES[Math.floor(day / 7) % PRICES.length] as number;
/** Spend goes up and down by weeks; what it brings saturates. */
const spendOf = (day: number): number => 1_000 * (1 + (Math.floor(day / 5) % 3));

function orderOf(day: number, sku: string, unit_price: number, quantity: number, channel = 'web'): Json {
  return orderEvent(`${sku}-${day}-${channel}`, {
    ...{ time: timeOf(day), channel, amount: unit_price * quantity },
    items: [{ sku, category: 'mugs', quantity, unit_price }],
  });
}

/** Ten weeks: an item whose price moves each week, one whose price never does, and a channel with spend. */
function events(): Json[] {
  return Array.from({ length: DAYS }, (_, day) => {
    const noise = 1 + (((day * 37) % 11) - 5) / 60;
    const units = Math.round(40 * (priceOf(day) / 1_000) ** ELASTICITY * noise);
    const bought = Math.round(20 + (60 * spendOf(day)) / (2_000 + spendOf(day)) + ((day * 29) % 7) - 3);
    return [
      orderOf(day, 'blue', priceOf(day), units),
      orderOf(day, 'red', 2_000, 10 + ((day * 13) % 3)),
      orderOf(day, 'ads-mug', 500, bought, 'ads'),
      ...[{ event_id: `spend-${day}`, type: 'campaign.spend', channel: 'ads', currency: 'GBP' }].map(
        (spend) => ({
          ...{ ...spend, time: timeOf(day), amount: spendOf(day) },
        }),
      ),
    ];
  }).flat();
}

async function send(json: readonly Json[]): Promise<void> {
  const key = await test.key('ingest');
  for (let at = 0; at < json.length; at += 400) {
    expect((await test.send('/ingest', { key, json: json.slice(at, at + 400) })).status).toBe(202);
  }
  await test.apply();
}

const ask = (json: Json): Promise<Response> => test.send('/whatif', { key: analyst, json });

async function answer(json: Json): Promise<Json & Answer> {
  const response = await ask(json);
  expect(response.status).toBe(200);
  return (await response.json()) as Json & Answer;
}

interface Interval {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
}

interface Answer {
  readonly baseline: { readonly revenue: number; readonly units: number };
  readonly change: { readonly revenue: Interval; readonly units: Interval; readonly margin: Interval | null };
  readonly elasticities: readonly {
    readonly sku: string;
    readonly elasticity: Interval;
    readonly source: string;
  }[];
  readonly spend_responses: readonly { readonly elasticity: Interval; readonly source: string }[];
  readonly provenance: readonly { readonly events: { readonly path: string; readonly body: object } }[];
}

describe('what-if over HTTP', () => {
  it('holds the truth of a shop whose elasticity is known, and says what it is made of', async () => {
    await send(events());
    const question = { scenario: 'increase_price_10pct', affected_skus: ['blue'], margin_pct: 50 };
    const found = await answer(question);
    const [blue] = found.elasticities;
    expect(blue).toMatchObject({ sku: 'blue', source: 'history' });
    expect(blue?.elasticity.lower).toBeLessThan(ELASTICITY);
    expect(blue?.elasticity.upper).toBeGreaterThan(ELASTICITY);
    const before = 30 * 40 * (priceOf(DAYS - 1) / 1_000) ** ELASTICITY * priceOf(DAYS - 1);
    const truth = before * (1.1 ** (1 + ELASTICITY) - 1);
    expect(found.change.revenue.lower).toBeLessThan(truth);
    expect(found.change.revenue.upper).toBeGreaterThan(truth);
    expect(found.change.margin).not.toBeNull();
    expect(found).toMatchObject({ currency: 'GBP', confidence: 0.9, horizon: '30d', seed: 1 });
    // The events behind it are there to be read.
    const { path, body } = found.provenance[0]?.events ?? { path: '', body: {} };
    const listed = await test.send(path, { key: analyst, json: body });
    expect(((await listed.json()) as { events: Json[] }).events.length).toBeGreaterThan(DAYS);
    // Equal after a restart, from the same seed.
    test = await test.restart();
    const again = await answer(question);
    expect({ ...again, meta: 0, calculated_at: 0 }).toEqual({ ...found, meta: 0, calculated_at: 0 });
  });

  it('answers spend, a removed channel, a stock-out and changes in one', async () => {
    await send(events());
    const spend = await answer({ scenario: 'change_spend', spend_pct: 50, channel: 'ads', margin_pct: 80 });
    expect(spend.spend_responses).toMatchObject([{ source: 'history' }]);
    expect(spend.change.revenue.mean).toBeGreaterThan(0);
    const removed = await answer({ scenario: 'remove_channel', channel: 'ads', recapture: 0 });
    expect(removed.change.revenue.mean / removed.baseline.revenue).toBeCloseTo(-1, 6);
    const out = await answer({ scenario: 'stock_out', affected_skus: ['red'], horizon: '2w' });
    expect(out.change.units.mean).toBeLessThan(0);
    const changes = [
      { dimension: 'category', value: 'mugs', price_pct: -5 },
      { dimension: 'channel', value: 'ads', spend_pct: -20 },
    ];
    const planned = await test.send('/whatif?dry_run=true', { key: analyst, json: { changes } });
    expect(await planned.json()).toMatchObject({
      dry_run: true,
      plan: { queries: 2, rows: expect.any(Number), bytes: expect.any(Number), cost_ms: expect.any(Number) },
    });
    const several = await answer({ changes });
    expect(several.elasticities.map(({ sku, source }) => [sku, source])).toEqual([
      ['blue', 'history'],
      ['ads-mug', 'category'],
      ['red', 'category'],
    ]);
  });

  it('says what is missing', async () => {
    expect(await codeOf(await ask({ scenario: 'discount_5pct' }))).toBe('not_enough_data');
    await send(events());
    const problem = async (json: Json): Promise<Json> => (await (await ask(json)).json()) as Json;
    expect(await problem({ scenario: 'discount_5pct', affected_skus: ['blue', 'none'] })).toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'affected_skus.1' }],
    });
    expect(await problem({ scenario: 'make_money' })).toMatchObject({ errors: [{ path: 'scenario' }] });
    expect(await problem({ scenario: 'stock_out' })).toMatchObject({ errors: [{ path: 'affected_skus' }] });
    expect(await problem({ scenario: 'change_spend', channel: 'web', spend_pct: 5 })).toMatchObject({
      code: 'not_enough_data',
    });
    const short = { scenario: 'discount_5pct', start: timeOf(DAYS - 9), end: timeOf(DAYS - 1) };
    expect(await problem(short)).toMatchObject({ code: 'not_enough_data', errors: [{ path: 'start' }] });
    await send([
      orderEvent('eur', {
        time: timeOf(3),
        currency: 'EUR',
        items: [{ sku: 'x', quantity: 1, unit_price: 5 }],
      }),
    ]);
    expect(await problem({ scenario: 'discount_5pct' })).toMatchObject({ code: 'currency_required' });
  });
});
