import { END_MS, ORDER, START_MS, TYPES } from './scan-rows.ts';

const WINDOW_DAYS = 7;

const STEPS = TYPES.slice(0, ORDER + 1);
/** As `POST /funnels/adhoc` asks it; its answer has also times between steps, and who is in progress. */
export const funnelQuery = {
  steps: STEPS.map((event) => ({ event })),
  window: `${WINDOW_DAYS}d`,
  start: new Date(START_MS).toISOString(),
  end: new Date(END_MS).toISOString(),
};

/**
 * The latest begin that led to each step: an ASOF join of each step with the step before it. Nested windows over all
 * events take as long and twice the CPU.
 */
function stepsSql(): string {
  const within = `INTERVAL ${WINDOW_DAYS} DAY`;
  const stages = STEPS.map((type, at) =>
    at === 0
      ? `s1 AS (SELECT customer, time, time AS begun FROM events WHERE type = '${type}')`
      : `s${at + 1} AS (SELECT e.customer, e.time, s.begun FROM events e
         ASOF JOIN s${at} s ON e.customer = s.customer AND e.time >= s.time
         WHERE e.type = '${type}' AND e.time <= s.begun + ${within})`,
  );
  const counts = STEPS.map((_type, at) => `(SELECT count(DISTINCT customer) FROM s${at + 1})`);
  return `WITH ${stages.join(', ')} SELECT ${counts.join(', ')}`;
}

export const STEPS_SQL = stepsSql();

/** Months with an order as a bit mask a customer; then masks are few. */
export const PERIODS_SQL = `
  WITH masks AS (
    SELECT bit_or(1 << (month(time) - 1)) AS mask FROM events WHERE type = 'order.created' GROUP BY customer),
  counts AS (SELECT mask, count(*) AS customers FROM masks GROUP BY mask),
  months AS (SELECT unnest(range(12)) AS month),
  first AS (SELECT customers, mask, min(month) AS cohort FROM counts, months
    WHERE mask >> month & 1 = 1 GROUP BY mask, customers)
  SELECT cohort, month - cohort AS later, sum(customers) FROM first, months
  WHERE mask >> month & 1 = 1 GROUP BY ALL ORDER BY ALL`;

/** The same as most would write it. */
export const PERIODS_DISTINCT_SQL = `
  WITH months AS (
    SELECT DISTINCT customer, month(time) - 1 AS month FROM events WHERE type = 'order.created'),
  first AS (SELECT customer, min(month) AS cohort FROM months GROUP BY customer)
  SELECT cohort, month - cohort AS later, count(*) FROM months JOIN first USING (customer)
  GROUP BY ALL ORDER BY ALL`;

export const kpisQuery = {
  metrics: ['orders_count', 'revenue'],
  group_by: ['campaign', 'category'],
  start: new Date(START_MS).toISOString(),
  end: new Date(END_MS).toISOString(),
  limit: 1_000,
};
export const KPIS_SQL = `SELECT campaign, category, count(*), sum(amount) FROM events
  WHERE type = 'order.created' GROUP BY campaign, category`;

/** As `POST /cohorts/adhoc-retention` asks it: customers by the month of their first order, month by month. */
export const retentionQuery = {
  criteria: { type: 'acquisition', bucket: 'month' },
  periods: 12,
  start: new Date(START_MS).toISOString(),
  end: new Date(END_MS).toISOString(),
};

/** As `POST /attribution/query` asks it. */
export const attributionQuery = {
  methods: ['linear'],
  lookback: '30d',
  touch_types: ['visit'],
  ...{ group_by: ['campaign', 'channel'], filters: {}, half_life: '7d', markov_order: 1 },
  ...{ value: 'revenue_net', limit: 100, freshness: 'committed' },
  start: new Date(START_MS).toISOString(),
  end: new Date(END_MS).toISOString(),
};
