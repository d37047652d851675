import { SeededRandom } from '../../engine/index.ts';
import { type AnomalyRecord, scanAnomalies } from '../../operators/index.ts';
import { SHOP, type ShopEvent, type ShopOptions, ShopState } from '../fixture-shop.ts';
import { type AnomalyView, anomalyView } from './anomaly-message.ts';
import { RULE_KIND } from './rule-schema.ts';

export const HOUR_MS = 3_600_000;
/** The first event of the shops of tests: a Monday. */
export const RULES_START_MS = Date.UTC(2026, 2, 2);
const COUNTRIES = ['GB', 'DE', 'FR'] as const;
const ORDERS_PER_HOUR = 4;

/** Something that happens to a country in the hours [from, to) since the start. */
export interface Happening {
  readonly country?: string;
  readonly from: number;
  readonly to: number;
  /** What amounts are multiplied by; 0: no event comes. */
  readonly factor: number;
}

const iso = (hour: number): string => new Date(RULES_START_MS + hour * HOUR_MS).toISOString();
export const hourText = (hour: number): string => iso(hour).replace('.000Z', 'Z');

/** Four orders an hour in each of three countries, of amounts that vary by a tenth, and a visit beside them. */
export function ruledShop(from: number, to: number, happenings: readonly Happening[] = []): ShopEvent[] {
  const events: ShopEvent[] = [];
  for (let hour = from; hour < to; hour++) {
    for (const [at, country] of COUNTRIES.entries()) {
      const random = new SeededRandom(hour * 3 + at);
      const happening = happenings.find(
        (each) => (each.country ?? country) === country && hour >= each.from && hour < each.to,
      );
      const factor = happening?.factor ?? 1;
      if (factor === 0) continue;
      for (let order = 0; order < ORDERS_PER_HOUR; order++) {
        const id = `${country}-${hour}-${order}`;
        events.push({
          event_id: id,
          type: 'order.created',
          time: iso(hour + (order + 0.4 + at / 5) / ORDERS_PER_HOUR),
          order_id: `o-${id}`,
          ...{ country, currency: 'EUR' },
          amount: Math.round((10_000 + random.int(-1_000, 1_000)) * factor),
        });
      }
      events.push({ event_id: `v-${country}-${hour}`, type: 'visit', time: iso(hour + 0.02), country });
    }
  }
  return events.sort((a, b) => (a.time < b.time ? -1 : 1));
}

/** Alerts from the third day on. */
export const REVENUE_RULE = {
  metric: 'revenue',
  group_by: ['country'],
  window: '1h',
  method: 'zscore',
  sensitivity: 0.999,
  since: iso(48),
} as const;

export type RuleGiven = Readonly<Record<string, unknown>>;

/** A shop in which rules are at work before the first event. */
export async function ruledState(
  events: readonly ShopEvent[],
  rules: Readonly<Record<string, RuleGiven>> = { anomaly_rule_1: REVENUE_RULE },
  options: ShopOptions = {},
): Promise<ShopState> {
  const state = await ShopState.of([], options);
  for (const [id, rule] of Object.entries(rules)) state.driver.control.define(RULE_KIND, SHOP, id, rule);
  state.driver.commit();
  const { shuffle } = options;
  const random = new SeededRandom(shuffle ?? 0);
  const arrival =
    shuffle === undefined ? events : random.shuffled([...events, ...events.filter((_, at) => at % 7 === 0)]);
  await state.add(arrival, options.commit_events);
  settleRules(state);
  return state;
}

/** Commits until nothing is left to do at once. */
export function settleRules({ driver }: ShopState): void {
  do driver.commit();
  while (driver.wantsBarrier);
}

export type ToldAnomaly = AnomalyView & { readonly type: string; readonly subject: string };

/** What subscribers got. */
export function toldOf({ driver }: ShopState): readonly ToldAnomaly[] {
  return driver.sent
    .filter(({ subject }) => subject.startsWith('anomalies.'))
    .map(
      ({ subject, payload }) => ({ ...JSON.parse(Buffer.from(payload).toString()), subject }) as ToldAnomaly,
    );
}

export function recordsOf({ driver }: ShopState): readonly AnomalyRecord[] {
  return driver.disk
    .reader()
    .snapshot((table) => [...scanAnomalies(table('anomalies/anomalies'), { scope: SHOP })]);
}

/** The anomalies that there are, without what depends on the way to them. */
export function anomaliesOf(state: ShopState): readonly object[] {
  return recordsOf(state)
    .filter((record) => record.state !== 'retracted')
    .map(anomalyView)
    .map(({ revision: _, late: __, detected_at: ___, updated_at: ____, ...rest }) => rest);
}
