import { describe, expect, it } from 'vitest';
import { SeededRandom, TopologyTestDriver } from '../../engine/index.ts';
import { SHOP, type ShopEvent, type ShopState } from '../fixture-shop.ts';
import { orderAnalytics } from '../topology.ts';
import {
  HOUR_MS,
  hourText,
  REVENUE_RULE,
  RULES_START_MS,
  ruledShop,
  ruledState,
  settleRules,
  toldOf,
} from './fixture-rules.ts';
import { RULE_KIND } from './index.ts';

const OUTAGE = { from: 200, to: 206, factor: 0 };

/** Commits of less than two hours. */
const FINE = { commit_events: 20 };

const typesOf = (state: Parameters<typeof toldOf>[0]) =>
  toldOf(state).map(({ type, metric, start, until }) => [type, metric, start, until]);

describe('low is told from silent', () => {
  it('an outage of everything is one alert of its own, and none of a metric', async () => {
    const state = await ruledState(ruledShop(0, 220, [OUTAGE]), undefined, FINE);
    // In this test time moves by events alone: nothing closed before the outage was over.
    expect(typesOf(state)).toEqual([['anomaly.detected', 'events', hourText(200), hourText(206)]]);
    expect(toldOf(state)[0]?.subject).toBe(`anomalies.${SHOP}.events.high`);
    // The events come after all: what was silent was only late.
    await state.add(ruledShop(200, 206));
    settleRules(state);
    expect(typesOf(state).at(-1)?.[0]).toBe('anomaly.retracted');
    expect(toldOf(state).every(({ metric }) => metric === 'events')).toBe(true);
  });

  it('an outage of one country is told of as low, and a country that is silent every night is not', async () => {
    const nights = Array.from({ length: 9 }, (_, day) => ({ from: day * 24, to: day * 24 + 6, factor: 0 }));
    const quiet = await ruledState(ruledShop(0, 216, nights), undefined);
    expect(toldOf(quiet).filter(({ kind }) => kind === 'silence')).toEqual([]);
    const state = await ruledState(ruledShop(0, 220, [{ ...OUTAGE, country: 'GB' }]), undefined, FINE);
    expect(typesOf(state).map(([type, metric]) => [type, metric])).toEqual([
      ['anomaly.detected', 'revenue'],
      ['anomaly.ended', 'revenue'],
    ]);
  });

  it('a load of old orders and half a minute of a wrong clock alert nobody', async () => {
    const state = await ruledState(ruledShop(0, 200));
    const old: ShopEvent[] = ruledShop(0, 200).map((event) => ({
      ...event,
      event_id: `last-year-${event.event_id}`,
      ...('order_id' in event ? { order_id: `last-year-${String(event.order_id)}` } : {}),
      time: new Date(Date.parse(event.time) - 365 * 86_400_000).toISOString(),
    }));
    await state.add(old, 500);
    const shifted = Array.from({ length: 6 }, (_, at) => ({
      event_id: `wrong-${at}`,
      type: 'visit',
      time: new Date(Date.parse(hourText(203)) + at * 5_000).toISOString(),
      country: 'FR',
    }));
    await state.add([...ruledShop(200, 201), ...shifted, ...ruledShop(201, 210)], 40);
    settleRules(state);
    expect(toldOf(state)).toEqual([]);
  });

  it.each([-7_200, 600, 86_400])(
    'half a minute of one producer whose clock is %i s wrong alerts nobody, in windows of a minute',
    async (wrong_s) => {
      const rule = { ...REVENUE_RULE, window: '1m', method: 'auto', sensitivity: 0.9999, since: hourText(0) };
      const rules = {
        anomaly_rule_1: { ...rule, group_by: [] },
        anomaly_rule_2: { ...rule, metric: 'orders_count', method: 'zscore' },
      };
      const random = new SeededRandom(5);
      const events: ShopEvent[] = [];
      const [seconds, wrongFrom] = [16 * 3_600, 14 * 3_600 + 1_230];
      for (let second = 0; second < seconds; second += random.int(1, 14)) {
        const producer = random.int(0, 3);
        const isWrong = producer === 2 && second >= wrongFrom && second < wrongFrom + 30;
        const time_ms = RULES_START_MS + (second + (isWrong ? wrong_s : 0)) * 1_000;
        events.push({
          event_id: `e-${second}`,
          type: 'order.created',
          time: new Date(time_ms).toISOString(),
          order_id: `o-${second}`,
          ...{ country: producer === 2 ? 'DE' : 'GB', currency: 'EUR', amount: random.int(5_000, 15_000) },
        });
      }
      const state = await ruledState(events, rules, { commit_events: 50 });
      expect(toldOf(state).map(({ text }) => text)).toEqual([]);
    },
  );

  it('an outage is told of while it lasts, when the source is idle, and when it is over', async () => {
    const driver = await TopologyTestDriver.start(orderAnalytics(), {
      start_ms: Date.parse(hourText(200)) + 60_000,
    });
    const state = { driver } as ShopState;
    const push = async (events: readonly ShopEvent[]): Promise<void> => {
      await driver.push(...events.map((json) => ({ subject: `events.${SHOP}.x`, json })));
      driver.commit();
    };
    driver.control.define(RULE_KIND, SHOP, 'anomaly_rule_1', REVENUE_RULE);
    await push(ruledShop(0, 200));
    await driver.advanceClock(2 * HOUR_MS);
    settleRules(state);
    expect(toldOf(state).map(({ type, state: is, until }) => [type, is, until])).toEqual([
      ['anomaly.detected', 'open', hourText(202)],
    ]);
    for (let hour = 3; hour <= 6; hour++) await driver.advanceClock(HOUR_MS);
    settleRules(state);
    expect(toldOf(state)).toHaveLength(1);
    await driver.advanceClock(2 * HOUR_MS);
    await push(ruledShop(206, 208));
    settleRules(state);
    const [silence, ...others] = toldOf(state)
      .filter(({ kind }) => kind === 'silence')
      .reverse();
    expect([silence?.type, silence?.state]).toEqual(['anomaly.ended', 'ended']);
    expect(others.every(({ type }) => type !== 'anomaly.ended')).toBe(true);
    expect(toldOf(state).filter(({ kind }) => kind === 'metric')).toEqual([]);
  });
});
