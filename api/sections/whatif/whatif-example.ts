export const EXAMPLES = {
  price: {
    summary: 'A price goes up',
    value: { scenario: 'increase_price_5pct', affected_skus: ['mug-blue'], horizon: '30d', margin_pct: 60 },
  },
  free: {
    summary: 'Several changes at once',
    value: {
      changes: [
        { dimension: 'category', value: 'mugs', price_pct: -10 },
        { dimension: 'sku', value: 'mug-red', availability: 0.5 },
      ],
      horizon: '4w',
    },
  },
};

/** Of a shop of two mugs, one of which had a price of its own each week. */
export const EXAMPLE = {
  scenario: 'increase_price_10pct',
  horizon: '30d',
  currency: 'GBP',
  confidence: 0.9,
  baseline: {
    revenue: 1143583,
    units: 1089.1,
    margin: 686150,
  },
  change: {
    revenue: {
      mean: -101995,
      lower: -144899,
      upper: -56332,
    },
    revenue_pct: {
      mean: -8.92,
      lower: -12.6,
      upper: -4.89,
    },
    units: {
      mean: -187.3,
      lower: -226.9,
      upper: -146.7,
    },
    margin: {
      mean: -23321,
      lower: -50212,
      upper: 6103,
    },
  },
  probability_of_more_revenue: 0,
  elasticities: [
    {
      sku: 'mug-blue',
      category: 'mugs',
      source: 'history',
      price: 1050,
      elasticity: {
        mean: -1.99,
        lower: -2.43,
        upper: -1.55,
      },
    },
  ],
  spend_responses: [],
  sensitivity: [
    {
      assumption: 'elasticity',
      revenue: {
        mean: -103242,
        lower: -146850,
        upper: -58044,
      },
      share: 0.976,
    },
    {
      assumption: 'baseline',
      revenue: {
        mean: -102874,
        lower: -110107,
        upper: -95984,
      },
      share: 0.024,
    },
    {
      assumption: 'substitution',
      revenue: {
        mean: -102786,
        lower: -102786,
        upper: -102786,
      },
      share: 0,
    },
    {
      assumption: 'spend_response',
      revenue: {
        mean: -102786,
        lower: -102786,
        upper: -102786,
      },
      share: 0,
    },
    {
      assumption: 'recapture',
      revenue: {
        mean: -102786,
        lower: -102786,
        upper: -102786,
      },
      share: 0,
    },
  ],
  assumptions: [
    'Without the change, the next 30 days go on as the history did, at the prices of its last days.',
    'Units go with the price to the power of the elasticity; other items do not gain or lose by it.',
    "Elasticities of 1 items come from their own prices, drawn to their category's.",
    'Of the price as it is, 60 % is margin; costs of a unit do not change.',
    'Competitors do not react.',
  ],
  warnings: ['Prices of mug-blue go beyond those that the history has seen.'],
  seed: 1,
  draws: 4000,
  code_version: 1,
  definition_hash: 'b55417b61f9ce3c8838f0b208b92fc460b2059c3033e19ea1ee8ef8d1c258498',
  provenance: [
    {
      position: {
        EVENTS: {
          '0': 140,
        },
      },
      events: {
        method: 'POST',
        path: '/events/search',
        body: {
          query: {
            field: 'type',
            in: ['order.created', 'order.updated'],
          },
          from: '2025-02-08T09:59:00Z',
          to: '2025-08-10T09:59:00Z',
          as_of: {
            EVENTS: {
              '0': 140,
            },
          },
          limit: 1000,
        },
      },
    },
  ],
  calculated_at: '2025-09-01T12:00:00.000Z',
  meta: {
    generation: 1,
    position: {
      EVENTS: {
        '0': 140,
      },
    },
    watermark: '2025-08-10T09:59:30Z',
    complete_until: '2025-08-10T09:59:00Z',
    staleness_ms: 0,
    lag_messages: 0,
    late_events: 0,
    source: 'scan',
    approximate: [],
    resolved_range: {
      start: '2025-02-08T09:59:00Z',
      end: '2025-08-10T09:59:00Z',
    },
    timezone: 'UTC',
    granularity: '1d',
    warnings: [],
  },
};
