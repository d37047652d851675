import { type BusinessEvent, idOf, inOrder, numberOf } from './business-event.ts';

/** Months of an interval as a fraction of a year: a year has 12, 52 weeks, 365 days. */
const PER_YEAR: Readonly<Record<string, number>> = { year: 1, month: 12, week: 52, day: 365 };

export interface RecurringRevenue {
  /** Minor units a month. */
  readonly mrr: number;
  readonly arr: number;
  readonly subscriptions: number;
}

interface Plan {
  readonly amount: number;
  readonly interval: string;
  readonly currency: string;
}

/**
 * Monthly recurring revenue by currency at a moment: `plan_amount` of each subscription that was started and not
 * cancelled, as its newest event says, normalised to a month (year ÷ 12, week × 52 ÷ 12, day × 365 ÷ 12), rounded once.
 */
export function recurringRevenue(
  events: readonly BusinessEvent[],
  at_ms: number,
): ReadonlyMap<string, RecurringRevenue> {
  const plans = new Map<string, Plan>();
  for (const event of inOrder(events)) {
    const id = idOf(event, 'subscription_id');
    if (id === undefined || event.time_ms >= at_ms) continue;
    if (event.type === 'subscription.cancelled') plans.delete(id);
    else plans.set(id, planOf(event, plans.get(id)));
  }
  const sums = new Map<string, { yearly: number; subscriptions: number }>();
  for (const { amount, interval, currency } of plans.values()) {
    const sum = sums.get(currency) ?? { yearly: 0, subscriptions: 0 };
    sum.yearly += amount * (PER_YEAR[interval] ?? 12);
    sum.subscriptions++;
    sums.set(currency, sum);
  }
  return new Map(
    [...sums].map(([currency, { yearly, subscriptions }]) => {
      const mrr = Math.round(yearly / 12);
      return [currency, { mrr, arr: 12 * mrr, subscriptions }];
    }),
  );
}

/** A change says what it changes; the rest stays. */
function planOf(event: BusinessEvent, before: Plan | undefined): Plan {
  const [interval, currency] = [event.member('interval'), event.member('currency')];
  return {
    amount: numberOf(event, 'plan_amount') ?? numberOf(event, 'amount') ?? before?.amount ?? 0,
    interval:
      typeof interval === 'string'
        ? interval.toLowerCase().replace(/ly$/, '')
        : (before?.interval ?? 'month'),
    currency: typeof currency === 'string' ? currency.toUpperCase() : (before?.currency ?? ''),
  };
}
