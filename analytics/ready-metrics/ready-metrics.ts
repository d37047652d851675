import type { CustomMetric } from '../kpis/index.ts';

type Counted = Extract<CustomMetric, { type: 'count' }>;

const counted = (name: string, event: string, title: string): Counted => ({
  ...{ name, type: 'count', event, filters: {}, title },
  description: `\`${event}\` events`,
});

/**
 * Metrics of events that every tenant may send, counted as a tenant's own are: row by row, from the log. A tenant that
 * defines one of the name has its own.
 */
export const READY_METRICS: readonly CustomMetric[] = [
  counted('product_views', 'product_viewed', 'Product views'),
  counted('cart_additions', 'add_to_cart', 'Additions to a cart'),
  counted('checkouts_begun', 'checkout_initiated', 'Checkouts begun'),
  counted('payments_failed', 'payment.failed', 'Failed payments'),
  counted('vouchers_validated', 'voucher.validated', 'Vouchers validated'),
  counted('vouchers_redeemed', 'voucher.redeemed', 'Vouchers redeemed'),
  counted('campaign_messages_sent', 'campaign.sent', 'Messages of campaigns sent'),
  counted('campaign_messages_opened', 'campaign.opened', 'Messages of campaigns opened'),
  counted('campaign_messages_clicked', 'campaign.clicked', 'Messages of campaigns clicked'),
  {
    ...{ name: 'campaign_spend', type: 'sum', event: 'campaign.spend', field: 'amount', filters: {} },
    ...{ title: 'Spend on campaigns', description: 'Σ `amount` of `campaign.spend`' },
  },
  counted('tickets_opened', 'ticket.opened', 'Tickets opened'),
  counted('tickets_resolved', 'ticket.resolved', 'Tickets resolved'),
  counted('employees_joined', 'employee.joined', 'Employees joined'),
  counted('employees_left', 'employee.left', 'Employees left'),
  counted('subscriptions_started', 'subscription.started', 'Subscriptions started'),
  counted('subscriptions_cancelled', 'subscription.cancelled', 'Subscriptions cancelled'),
];

const BY_NAME: ReadonlyMap<string, CustomMetric> = new Map(
  READY_METRICS.map((metric) => [metric.name, metric]),
);

export function readyMetric(name: string): CustomMetric | undefined {
  return BY_NAME.get(name);
}
