import { describe, expect, it } from 'vitest';
import {
  AGGREGATIONS,
  allowsAggregation,
  findMetric,
  isMonetary,
  isMoneyMeasure,
  METRIC_NAMES,
  METRICS,
  measuresOf,
} from './metric-catalogue.ts';
import { DISTRIBUTIONS } from './model.ts';

const CONTRACT =
  'orders_count orders_paid orders_shipped orders_delivered orders_cancelled orders_rto revenue_gross revenue_paid discount_total shipping_total tax_total refund_amount revenue_net aov refund_rate refunded_orders_rate returns_count days_to_ship_avg visits sessions conversion_rate cart_abandonment_rate units_sold customers_active customers_new time_to_first_response';

describe('the metric catalogue', () => {
  it('has every metric of the contract once, and revenue as an alias', () => {
    expect(METRICS.map(({ name }) => name).sort()).toEqual(CONTRACT.split(' ').sort());
    expect(new Set(METRIC_NAMES).size).toBe(METRIC_NAMES.length);
    expect(findMetric('revenue')).toBe(findMetric('revenue_gross'));
    expect(findMetric('nope')).toBeUndefined();
  });

  it('describes each', () => {
    for (const { title, description } of METRICS) expect(title && description).not.toBe('');
  });

  it('allows other aggregations than sum exactly where single amounts are kept', () => {
    const spread = METRICS.filter((metric) => allowsAggregation(metric, 'p90')).map(({ name }) => name);
    expect(spread).toEqual([
      'revenue_gross',
      'revenue_paid',
      'discount_total',
      'shipping_total',
      'tax_total',
      'refund_amount',
    ]);
    for (const metric of METRICS) expect(allowsAggregation(metric, 'sum')).toBe(true);
    expect(AGGREGATIONS).toHaveLength(8);
  });

  it('knows what depends on money', () => {
    expect(METRICS.filter(isMonetary).map(({ name }) => name)).toEqual([
      'revenue_gross',
      'revenue_paid',
      'discount_total',
      'shipping_total',
      'tax_total',
      'refund_amount',
      'revenue_net',
      'aov',
      'refund_rate',
    ]);
    for (const name of DISTRIBUTIONS) expect(isMoneyMeasure(name)).toBe(true);
    expect(isMoneyMeasure('units')).toBe(false);
  });

  it('backs a distribution by the measure of the same name', () => {
    for (const metric of METRICS) {
      if (metric.distribution !== undefined) expect(measuresOf(metric)).toEqual([metric.distribution]);
    }
  });
});
