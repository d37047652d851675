import { z } from 'zod';
import { businessEvents, shareOf, spoken, totalsOf } from '../asking/index.ts';
import { type Asked, lower, type Report } from './asked.ts';

const CHANNELS = 100;
/** Before every event. */
const ALL_TIME = '1970-01-01T00:00:00Z';

const membersSchema = z.looseObject({ customers_total: z.int() });
const rfmSchema = z.looseObject({
  currency: z.string().optional(),
  customers_total: z.int(),
  segments: z.array(z.looseObject({ monetary: z.number() })),
});

/** Customers who came and went, what they are worth and what they cost. */
export async function customersReport({ asking, call, span }: Asked): Promise<Report> {
  const { query } = span;
  const { start, end } = query;
  const [{ now, before }, spend, channels, lost, worth] = await Promise.all([
    asking
      .kpis(call, { start, end, metrics: ['customers_new', 'customers_active'], compare: 'previous_period' })
      .then(totalsOf),
    asking.kpis(call, { ...query, metrics: ['campaign_spend'] }),
    asking.kpis(call, { start, end, metrics: ['customers_new'], group_by: ['channel'], limit: CHANNELS }),
    lostCustomers({ asking, call, span }),
    lifetimeValue({ asking, call, span }),
  ]);
  const fresh = now.customers_new ?? 0;
  const churned = lost?.churned ?? (before.customers_active ?? 0) - (await retained({ asking, call, span }));
  const atStart = lost?.at_start ?? before.customers_active ?? 0;
  const spent = totalsOf(spend).now.campaign_spend ?? 0;
  const cac = spent === 0 || fresh === 0 ? null : Math.round(spent / fresh);
  const kept = shareOf(churned, atStart);
  if (channels.groups_total > CHANNELS) {
    asking.warn(
      `There are ${channels.groups_total} channels; the ${CHANNELS} with the most new customers are listed.`,
    );
  }
  const rows = channels.groups
    .filter(({ totals }) => (totals.customers_new ?? 0) > 0)
    .map(({ key, totals }) => ({
      channel: key.channel ?? null,
      customers: totals.customers_new ?? 0,
      percent: shareOf(totals.customers_new ?? 0, fresh),
    }));
  return {
    json: {
      ...{ newCustomers: fresh, churnedCustomers: churned, netGrowth: fresh - churned },
      avgLtv: worth.value,
      cac,
      ltvCacRatio: cac === null || worth.value === null ? null : worth.value / cac,
      retentionRate: kept === null ? null : 1 - kept,
      churnedBy: lost === undefined ? 'orders' : 'subscriptions',
      byAcquisitionChannel: rows,
      currency: lower(worth.currency ?? spend.currency),
    },
    rows,
  };
}

/** By subscriptions, where the tenant has them: those that ended in the span, and those that ran when it began. */
async function lostCustomers({
  asking,
  call,
  span,
}: Asked): Promise<{ readonly churned: number; readonly at_start: number } | undefined> {
  const types = ['subscription.started', 'subscription.changed', 'subscription.cancelled'];
  const events = await businessEvents(asking, call, { to_ms: span.end_ms, types });
  if (events.length === 0) return undefined;
  const state = (at_ms: number): ReadonlyMap<string, boolean> => {
    const running = new Map<string, boolean>();
    const before = events.filter(({ time_ms }) => time_ms < at_ms);
    for (const event of before.toSorted(
      (a, b) => a.time_ms - b.time_ms || (a.event_id < b.event_id ? -1 : 1),
    )) {
      const id = event.member('subscription_id');
      if (typeof id === 'string') running.set(id, event.type !== 'subscription.cancelled');
    }
    return running;
  };
  const [first, last] = [state(span.start_ms), state(span.end_ms)];
  const begun = [...first].filter(([, isRunning]) => isRunning).map(([id]) => id);
  return { churned: begun.filter((id) => last.get(id) === false).length, at_start: begun.length };
}

/** Customers of the span before who ordered in this one. */
async function retained({ asking, call, span: { before, zone, query } }: Asked): Promise<number> {
  const rule = {
    and: [
      { measure: 'first_order', lt: query.start },
      { measure: 'last_order', gte: query.start },
    ],
  };
  const body = { start: spoken(before, zone).start, end: query.end, rule, limit: 0 };
  return (await asking.ask(call, '/customers/segment', body, membersSchema)).customers_total;
}

async function lifetimeValue({
  asking,
  call,
  span: { query },
}: Asked): Promise<{ readonly value: number | null; readonly currency: string | null }> {
  const body = { ...query, start: ALL_TIME, limit: 0 };
  const found = await asking.ask(call, '/customers/rfm', body, rfmSchema);
  let spent = 0;
  for (const { monetary } of found.segments) spent += monetary;
  const { customers_total, currency = null } = found;
  return { value: customers_total === 0 ? null : Math.round(spent / customers_total), currency };
}
