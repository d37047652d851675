import { type BusinessEvent, idOf, inOrder, numberOf } from './business-event.ts';

/** How often an interval is in a year. */
const PER_YEAR: Readonly<Record<string, number>> = {
  ...{ year: 1, yearly: 1, annual: 1, annually: 1, quarter: 4, quarterly: 4 },
  ...{ month: 12, monthly: 12, week: 52, weekly: 52, day: 365, daily: 365 },
};

export interface RecurringRevenue {
  /** Minor units a month. */
  readonly mrr: number;
  readonly arr: number;
  readonly subscriptions: number;
}

/** What recurs, by currency. */
export interface Recurring {
  readonly byCurrency: ReadonlyMap<string, RecurringRevenue>;
  /** Subscriptions whose events say no amount, or an interval that is not known: they are in no sum. */
  readonly left_out: number;
}

interface Plan {
  readonly amount: number | undefined;
  readonly interval: string;
  readonly currency: string;
}

/**
 * Monthly recurring revenue by currency at a moment: `plan_amount` of each subscription that was started and not
 * cancelled, as its newest event says, normalised to a month (year ÷ 12, quarter ÷ 3, week × 52 ÷ 12, day × 365 ÷ 12),
 * rounded once.
 */
export function recurringRevenue(events: readonly BusinessEvent[], at_ms: number): Recurring {
  const plans = new Map<string, Plan>();
  for (const event of inOrder(events)) {
    const id = idOf(event, 'subscription_id');
    if (id === undefined || event.time_ms >= at_ms) continue;
    if (event.type === 'subscription.cancelled') plans.delete(id);
    else plans.set(id, planOf(event, plans.get(id)));
  }
  let left_out = 0;
  const sums = new Map<string, { yearly: number; subscriptions: number }>();
  for (const { amount, interval, currency } of plans.values()) {
    const times = PER_YEAR[interval];
    if (times === undefined || amount === undefined) {
      left_out++;
      continue;
    }
    const sum = sums.get(currency) ?? { yearly: 0, subscriptions: 0 };
    sum.yearly += amount * times;
    sum.subscriptions++;
    sums.set(currency, sum);
  }
  const byCurrency = new Map(
    [...sums].map(([currency, { yearly, subscriptions }]) => {
      const mrr = Math.round(yearly / 12);
      return [currency, { mrr, arr: 12 * mrr, subscriptions }];
    }),
  );
  return { byCurrency, left_out };
}

/** A change says what it changes; the rest stays. */
function planOf(event: BusinessEvent, before: Plan | undefined): Plan {
  const [interval, currency] = [event.member('interval'), event.member('currency')];
  return {
    amount: numberOf(event, 'plan_amount') ?? numberOf(event, 'amount') ?? before?.amount,
    interval: typeof interval === 'string' ? interval.toLowerCase() : (before?.interval ?? 'month'),
    currency: typeof currency === 'string' ? currency.toUpperCase() : (before?.currency ?? ''),
  };
}
