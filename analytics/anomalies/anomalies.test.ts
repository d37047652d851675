import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { readAnomaly, scanAnomalies } from '../../operators/index.ts';
import { SHOP, type ShopEvent, ShopState } from '../fixture-shop.ts';
import { anomalyView, RULE_KIND } from './index.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 2, 2);
const COUNTRIES = ['GB', 'DE', 'FR'];

interface Drop {
  readonly country: string;
  readonly from: number;
  readonly to: number;
  readonly factor: number;
}

/** Orders by the hour with the course of a day, and visits beside them. */
function shop(days: number, drops: readonly Drop[], seed = 1): ShopEvent[] {
  const random = new SeededRandom(seed);
  const events: ShopEvent[] = [];
  for (let hour = 0; hour < days * 24; hour++) {
    const level = 20 + 12 * Math.sin(((hour % 24) / 24) * 2 * Math.PI);
    for (const country of COUNTRIES) {
      const factor = drops.find((d) => d.country === country && hour >= d.from && hour < d.to)?.factor ?? 1;
      const orders = Math.round(level * factor * (0.9 + 0.2 * random.next()));
      for (let at = 0; at < orders; at++) {
        const id = `${country}-${hour}-${at}`;
        const time_ms = START_MS + hour * HOUR_MS + Math.floor(((at + 0.5) / orders) * HOUR_MS);
        events.push({
          event_id: id,
          type: 'order.created',
          time: new Date(time_ms).toISOString(),
          order_id: `o-${id}`,
          ...{ country, currency: 'EUR', amount: 5_000 },
        });
      }
      events.push({
        event_id: `v-${country}-${hour}`,
        type: 'visit',
        time: new Date(START_MS + hour * HOUR_MS + 60_000).toISOString(),
        country,
      });
    }
  }
  return events.sort((a, b) => (a.time < b.time ? -1 : 1));
}

const RULE = {
  metric: 'orders_count',
  group_by: ['country'],
  window: '1h',
  method: 'zscore',
  sensitivity: 0.9999,
  since: new Date(START_MS + 7 * 24 * HOUR_MS).toISOString(),
};

async function withRule(events: readonly ShopEvent[], options: Parameters<typeof ShopState.of>[1] = {}) {
  const state = await ShopState.of([], options);
  state.driver.control.define(RULE_KIND, SHOP, 'anomaly_rule_1', RULE);
  await state.add(events, options?.commit_events);
  state.driver.commit();
  return state;
}

const told = (state: ShopState) =>
  state.driver.sent
    .filter(({ subject }) => subject.startsWith('anomalies.'))
    .map(({ subject, payload }) => ({ subject, ...JSON.parse(Buffer.from(payload).toString()) }));

const kept = (state: ShopState) =>
  state.driver.disk
    .reader()
    .snapshot((table) =>
      Array.from(scanAnomalies(table('anomalies/anomalies'), { scope: SHOP }), (record) => {
        const { revision, detected_at, updated_at, ...rest } = anomalyView(record);
        return rest;
      }),
    );

describe('rules on metrics', () => {
  it('tell of a drop once, in words, and of its end', async () => {
    const drop = { country: 'GB', from: 10 * 24 + 6, to: 10 * 24 + 12, factor: 0.1 };
    const state = await withRule(shop(14, [drop]));
    console.log(told(state));
    console.log(kept(state));
    expect(told(state).length).toBeGreaterThan(0);
  });
});
