import { describe, expect, it } from 'vitest';
import { stateDigest } from '../../engine/index.ts';
import { SHOP, ShopState } from '../fixture-shop.ts';
import { orderAnalytics } from '../topology.ts';
import {
  anomaliesOf,
  HOUR_MS,
  hourText,
  REVENUE_RULE,
  recordsOf,
  ruledShop,
  ruledState,
  settleRules,
  toldOf,
} from './fixture-rules.ts';
import { MARK_KIND, RULE_KIND, ruleSchemaOf } from './index.ts';

/** Of one country, at the hour 80 of 120, for four hours. */
const DROP = { country: 'GB', from: 80, to: 84, factor: 0.1 };
const SPIKE = { country: 'DE', from: 100, to: 101, factor: 8 };
const EVENTS = ruledShop(0, 110, [DROP, SPIKE]);

const digestOf = ({ driver }: ShopState): string =>
  stateDigest(orderAnalytics(), driver.disk.reader()).digest;

describe('rules on metrics', () => {
  it('tell of what is not normal once, and when it is over', async () => {
    const state = await ruledState(EVENTS, undefined, { commit_events: 20 });
    const told = toldOf(state);
    expect(told.map(({ type, group, start, until }) => [type, group.country, start, until])).toEqual([
      ['anomaly.detected', 'GB', hourText(80), hourText(81)],
      ['anomaly.ended', 'GB', hourText(80), hourText(84)],
      ['anomaly.detected', 'DE', hourText(100), hourText(101)],
      ['anomaly.ended', 'DE', hourText(100), hourText(101)],
    ]);
    expect(told[0]).toMatchObject({
      subject: `anomalies.${SHOP}.revenue.high`,
      ...{ currency: 'EUR', direction: 'low', severity: 'high', revision: 1, late: false, window: '1h' },
    });
    expect(told[0]?.text).toMatch(
      /^Gross revenue \(country GB\) 90 % below its expected value from \S+ to \S+ \(expected \d{3}\.\d\d EUR, actual \d\d\.\d\d EUR\)$/,
    );
    expect(new Set(state.driver.sent.map(({ id }) => id)).size).toBe(state.driver.sent.length);
  });

  it('come to the same in any order of arrival, with duplicates, commits and restarts anywhere', async () => {
    const plain = await ruledState(EVENTS);
    for (const options of [
      { shuffle: 1, commit_events: 150 },
      { shuffle: 2, commit_events: 900 },
      { commit_events: 45 },
    ]) {
      const other = await ruledState(EVENTS, undefined, options);
      expect(anomaliesOf(other), JSON.stringify(options)).toEqual(anomaliesOf(plain));
      expect(digestOf(other)).toBe(digestOf(plain));
    }
    let driver = (await ruledState([])).driver;
    for (let from = 0; from < EVENTS.length; from += 700) {
      const messages = EVENTS.slice(from, from + 700).map((json) => ({ subject: `events.${SHOP}.x`, json }));
      await driver.push(...messages.slice(0, 400));
      driver.commit();
      // What is behind the commit is lost, and comes again.
      await driver.push(...messages.slice(400));
      driver = await driver.restart();
      await driver.push(...messages.slice(400));
      driver.commit();
    }
    const restarted = { driver } as ShopState;
    settleRules(restarted);
    expect(anomaliesOf(restarted)).toEqual(anomaliesOf(plain));
    expect(digestOf(restarted)).toBe(digestOf(plain));
  });

  it('are warmed from history: made late they come to the same', async () => {
    const early = await ruledState(EVENTS);
    const late = await ShopState.of(EVENTS);
    late.driver.control.define(RULE_KIND, SHOP, 'anomaly_rule_1', REVENUE_RULE);
    settleRules(late);
    expect(anomaliesOf(late)).toEqual(anomaliesOf(early));
    expect(digestOf(late)).toBe(digestOf(early));
    const now = await ShopState.of(EVENTS);
    const since = hourText(109);
    now.driver.control.define(RULE_KIND, SHOP, 'anomaly_rule_1', { ...REVENUE_RULE, since });
    settleRules(now);
    expect(toldOf(now)).toEqual([]);
    await now.add(ruledShop(110, 114, [{ country: 'FR', from: 111, to: 112, factor: 0.1 }]));
    expect(toldOf(now).map(({ type, start }) => [type, start])).toEqual([
      ['anomaly.detected', hourText(111)],
    ]);
  });

  it('revise and take back what late events correct, and tell of a window once', async () => {
    const isMissing = (id: string): boolean => id.startsWith('GB-80-') || id.startsWith('v-GB-80');
    const events = ruledShop(0, 90);
    const seen = events.filter(({ event_id }) => !isMissing(event_id));
    const state = await ruledState(seen, undefined, { commit_events: 20 });
    const [first] = toldOf(state);
    expect(first).toMatchObject({ type: 'anomaly.detected', start: hourText(80), value: 0, revision: 1 });
    const late = events.filter(({ event_id }) => isMissing(event_id));
    await state.add(late.slice(0, 2));
    settleRules(state);
    await state.add(late.slice(2));
    settleRules(state);
    const told = toldOf(state).filter(({ id }) => id === first?.id);
    expect(told.map(({ type }) => type)).toEqual([
      ...['anomaly.detected', 'anomaly.ended', 'anomaly.revised', 'anomaly.retracted'],
    ]);
    expect(told.map(({ revision }) => revision)).toEqual([1, 2, 3, 4]);
    expect(anomaliesOf(state)).toEqual(anomaliesOf(await ruledState(events)));
  });

  it('judge again what late events correct, also where the process ends before that', async () => {
    const isMissing = (id: string): boolean => id.startsWith('GB-80-') || id.startsWith('v-GB-80');
    const events = ruledShop(0, 90);
    const state = await ruledState(events.filter(({ event_id }) => !isMissing(event_id)));
    const late = events.filter(({ event_id }) => isMissing(event_id));
    const now = state.driver.clock.now.bind(state.driver.clock);
    // The first correction takes hours, by the clock: the next ones wait.
    let calls = 0;
    state.driver.clock.now = () => now() + calls++ * HOUR_MS;
    await state.add(late.slice(0, 1));
    state.driver.clock.now = now;
    await state.add(late.slice(1));
    const all = anomaliesOf(await ruledState(events));
    expect(anomaliesOf(state)).not.toEqual(all);
    const restarted = { driver: await state.driver.restart() } as ShopState;
    settleRules(restarted);
    expect(anomaliesOf(restarted)).toEqual(all);
  });

  it('learn what users call normal', async () => {
    const again = { ...SPIKE, from: 110, to: 111 };
    const events = ruledShop(0, 106, [DROP, SPIKE]);
    const state = await ruledState(events);
    const spike = recordsOf(state).find(({ direction }) => direction === 'high');
    const { score = 0, start_ms = 0, direction = 'high' } = spike ?? {};
    const group = JSON.stringify(['DE', 'EUR']);
    const mark = { rule_id: 'anomaly_rule_1', group, start_ms, direction, score, status: 'false_alarm' };
    state.driver.control.define(MARK_KIND, SHOP, 'anomaly_mark_1', mark);
    settleRules(state);
    expect(recordsOf(state).find(({ id }) => id === spike?.id)?.state).toBe('retracted');
    await state.add(ruledShop(106, 114, [again, { ...DROP, country: 'FR', from: 111, to: 112 }]));
    settleRules(state);
    const open = anomaliesOf(state) as { direction: string; start: string }[];
    expect(open.map((each) => [each.direction, each.start])).toEqual([
      ['low', hourText(80)],
      ['low', hourText(111)],
    ]);
    state.driver.control.remove(MARK_KIND, SHOP, 'anomaly_mark_1');
    settleRules(state);
    expect(recordsOf(state).find(({ id }) => id === spike?.id)?.state).toBe('ended');
  });

  it('watch own metrics, filters, items and days of a zone; what cannot be is refused by name', async () => {
    const state = await ShopState.of([]);
    const { control } = state.driver;
    const metric = { name: 'visits_gb', type: 'count', event: 'visit', filters: { country: 'GB' } };
    control.define('metric', SHOP, 'metric_1', metric);
    const base = { ...REVENUE_RULE, group_by: [], sensitivity: 0.99 };
    control.define(RULE_KIND, SHOP, 'r1', {
      ...base,
      metric: 'visits_gb',
      window: '1d',
      timezone: 'Europe/Berlin',
    });
    control.define(RULE_KIND, SHOP, 'r2', { ...base, metric: 'aov', filters: { country: ['DE', 'FR'] } });
    control.define(RULE_KIND, SHOP, 'r3', { ...base, metric: 'customers_active' });
    control.define(RULE_KIND, SHOP, 'r4', { ...base, filters: { sku: 'x' } });
    await state.add(EVENTS);
    settleRules(state);
    expect(state.driver.counter('millrace.anomalies.rules')).toBe(2);
    expect(state.driver.counter('millrace.control.refused')).toBe(2);
    expect(
      toldOf(state)
        .filter(({ type }) => type === 'anomaly.detected')
        .map(({ rule_id, metric: of }) => [rule_id, of]),
    ).toEqual([['r2', 'aov']]);
  });

  it('tried on history say what they say live, also in parts and of silence', async () => {
    const events = ruledShop(0, 110, [DROP, SPIKE, { from: 90, to: 95, factor: 0 }]);
    for (const rule of [
      REVENUE_RULE,
      { ...REVENUE_RULE, metric: 'aov', group_by: [], window: '1d', sensitivity: 0.9 },
    ]) {
      const state = await ruledState(events, { anomaly_rule_1: rule });
      const body = ruleSchemaOf([]).parse(rule);
      const range = { start: rule.since, end: hourText(110) };
      const query = { rule: body, rule_id: 'anomaly_rule_1', ...range, own_metrics: [], marks: [] };
      const answer = await state.ask(state.kinds.anomalies, query);
      const { anomalies } = answer.body as { anomalies: readonly { id: string }[] };
      const live = recordsOf(state).filter(({ kind }) => kind === 'metric');
      expect(anomalies.map(({ id }) => id).sort()).toEqual(live.map(({ id }) => id).sort());
      const kept = anomaliesOf(state) as { id: string; kind: string }[];
      for (const each of kept.filter(({ kind }) => kind === 'metric'))
        expect(anomalies.find(({ id }) => id === each.id)).toEqual(each);
    }
  });
});
