import { z } from 'zod';
import { leadFunnel, staffNumbers, supportNumbers } from '../../../analytics/index.ts';
import { ApiError } from '../../http/index.ts';
import { businessEvents, shareOf, stockAt, totalsOf } from '../asking/index.ts';
import { type Asked, lower, type Report } from './asked.ts';

const OVERSTOCK_DAYS = 180;
/** What is promised where a ticket says nothing of its own. */
const SLA_MINUTES = 24 * 60;
/** Campaigns that are listed of those with most messages, and of those with most revenue. */
const CAMPAIGNS = 100;
/** Campaigns that are asked for: who is listed for one has the other too, and what no campaign has brought is a group. */
const CAMPAIGNS_ASKED = 1_000;

/** Leads that were created in the span, by the stages that they reached. */
export async function salesReport({ asking, call, span }: Asked): Promise<Report> {
  const events = await businessEvents(asking, call, {
    types: ['lead.stage_changed'],
    to_ms: asking.now() + 1,
  });
  const { funnel, win_rate, average_deal, average_cycle_days, currencies } = leadFunnel(events, span);
  if (currencies.length > 1) {
    const message = `The leads are worth money in several currencies (${currencies.join(' and ')}), which are not added up.`;
    throw new ApiError('currency_required', message);
  }
  return {
    json: {
      ...{ funnel, winRate: win_rate, avgDealSize: average_deal, avgCycledays: average_cycle_days },
      currency: lower(currencies[0] ?? null),
    },
    rows: funnel.map((stage) => ({ ...stage })),
  };
}

/** What there was of products at the end of the span, or is now. */
export async function inventoryReport({ asking, call, span }: Asked): Promise<Report> {
  const at_ms = Math.min(asking.now(), span.end_ms - 1);
  const { levels, alerts } = await stockAt(asking, call, { at_ms, overstock_days: OVERSTOCK_DAYS });
  const of = (alert: string): number => alerts.filter((one) => one.alert === alert).length;
  const rows = alerts.map((one) => ({
    ...{ sku: one.product_id, status: one.alert, quantity: one.quantity, reorderPoint: one.reorder_point },
    ...{ unitsSold28d: one.units_sold_28d, daysOfCover: one.days_of_cover, asOf: one.as_of },
  }));
  return {
    json: {
      summary: {
        totalSkus: levels.length,
        totalUnits: levels.reduce((sum, { quantity }) => sum + quantity, 0),
        ...{ outOfStock: of('out_of_stock'), lowStock: of('low_stock'), overstocked: of('overstocked') },
        healthy: levels.length - alerts.length,
      },
      alerts: rows,
    },
    rows,
  };
}

export async function hrReport({ asking, call, span }: Asked): Promise<Report> {
  const types = ['employee.joined', 'employee.left', 'employee.attended'];
  const events = await businessEvents(asking, call, { types, to_ms: span.end_ms });
  const numbers = staffNumbers(events, span, (time_ms) => span.zone.localDay(time_ms));
  const { headcount, joins, leaves, turnover, attendance_rate, by_department } = numbers;
  return {
    json: {
      ...{ headcount, joins, leaves, netChange: joins - leaves, turnoverRate: turnover },
      ...{ attendanceRate: attendance_rate, byDepartment: by_department },
    },
    rows: by_department.map((row) => ({ ...row })),
  };
}

export async function supportReport({ asking, call, span }: Asked): Promise<Report> {
  const types = ['ticket.opened', 'ticket.first_response', 'ticket.resolved'];
  const now_ms = asking.now();
  const events = await businessEvents(asking, call, { types, to_ms: Math.max(now_ms, span.end_ms) + 1 });
  const numbers = supportNumbers(events, span, { sla_minutes: SLA_MINUTES, now_ms });
  const { opened, resolved, backlog, first_response, resolution, sla_share } = numbers;
  const json = {
    ...{ opened, resolved, backlog },
    firstResponseMinutes: { p50: first_response.p50_minutes, p90: first_response.p90_minutes },
    resolutionMinutes: { p50: resolution.p50_minutes, p90: resolution.p90_minutes },
    slaShare: sla_share,
  };
  const { firstResponseMinutes: first, resolutionMinutes: whole, ...counts } = json;
  const times = { firstResponseP50: first.p50, firstResponseP90: first.p90 };
  return { json, rows: [{ ...counts, ...times, resolutionP50: whole.p50, resolutionP90: whole.p90 }] };
}

const roiSchema = z.looseObject({
  currency: z.string().optional(),
  results: z.array(
    z.looseObject({
      key: z.record(z.string(), z.string().nullable()),
      ...{ revenue: z.number(), spend: z.number().nullable(), roas: z.number().nullable() },
    }),
  ),
  groups_total: z.int(),
  totals: z.looseObject({ revenue: z.number(), spend: z.number() }),
  unattributed: z.looseObject({ revenue: z.number() }),
});

/** Campaigns: what they cost, how messages fared, and the revenue that is theirs by attribution. */
export async function marketingReport({ asking, call, span: { query } }: Asked): Promise<Report> {
  const { start, end } = query;
  const names = ['campaign_messages_sent', 'campaign_messages_opened', 'campaign_messages_clicked'];
  const [messages, all, roi] = await Promise.all([
    asking.kpis(call, { start, end, metrics: names, group_by: ['campaign'], limit: CAMPAIGNS_ASKED }),
    asking.kpis(call, { start, end, metrics: names }).then(totalsOf),
    asking.ask(
      call,
      '/marketing/roi',
      { ...query, group_by: ['campaign'], limit: CAMPAIGNS_ASKED },
      roiSchema,
    ),
  ]);
  const campaigns = new Map<string, { sent: number; opened: number; clicked: number }>();
  for (const { key, totals } of messages.groups) {
    const [sent = 0, opened = 0, clicked = 0] = names.map((name) => totals[name] ?? 0);
    if (key.campaign !== null && key.campaign !== undefined && sent + opened + clicked > 0)
      campaigns.set(key.campaign, { sent, opened, clicked });
  }
  const isNamed = ({ key }: (typeof roi.results)[number]): boolean => typeof key.campaign === 'string';
  const money = new Map(roi.results.filter(isNamed).map((result) => [result.key.campaign ?? '', result]));
  // Of touches without a campaign: it is no campaign's.
  const nobodys = roi.results.find((result) => !isNamed(result))?.revenue ?? 0;
  const first = (of: ReadonlyMap<string, unknown>): readonly string[] => [...of.keys()].slice(0, CAMPAIGNS);
  const rows = [...new Set([...first(money), ...first(campaigns)])].map((campaign) => {
    const { sent, opened, clicked } = campaigns.get(campaign) ?? { sent: 0, opened: 0, clicked: 0 };
    const { revenue = 0, spend = 0, roas = null } = money.get(campaign) ?? {};
    return {
      ...{ campaign, spend: spend ?? 0, sent, opened, clicked },
      ...{ openRate: shareOf(opened, sent), clickRate: shareOf(clicked, sent) },
      ...{ attributedRevenue: revenue, roas },
    };
  });
  // Of all campaigns, also where there are more than are listed.
  const [sent = 0, opened = 0, clicked = 0] = names.map((name) => all.now[name] ?? 0);
  const { spend } = roi.totals;
  const revenue = roi.totals.revenue - roi.unattributed.revenue - nobodys;
  if (Math.max(roi.groups_total, messages.groups_total) > CAMPAIGNS_ASKED) {
    asking.warn(
      `There are more than ${CAMPAIGNS_ASKED} campaigns: attributedRevenue and roas of all may have revenue of touches ` +
        'without one, and campaigns that are listed may lack their messages or their revenue.',
    );
  }
  return {
    json: {
      summary: {
        ...{ spend, sent, opened, clicked },
        ...{ openRate: shareOf(opened, sent), clickRate: shareOf(clicked, sent) },
        ...{ attributedRevenue: revenue, roas: shareOf(revenue, spend) },
      },
      campaigns: rows,
      truncated: Math.max(roi.groups_total, messages.groups_total) > CAMPAIGNS,
      currency: lower(roi.currency ?? null),
    },
    rows,
  };
}
