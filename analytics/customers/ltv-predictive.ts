import { quantileOf } from '../numeric/index.ts';
import { DAY_MS, QueryError } from '../query/index.ts';
import {
  type BgNbd,
  type CountedHistory,
  expectedPurchases,
  fitBgNbd,
  type PurchaseHistory,
  probabilityAlive,
} from './bg-nbd.ts';
import { expectedValue, fitGammaGamma, type GammaGamma, type SpendHistory } from './gamma-gamma.ts';
import type { CustomerPast } from './ltv-rows.ts';
import { horizonMs, type LtvQuery } from './ltv-schema.ts';
import { drawFuture } from './posterior.ts';

/** Below these a fit says more of chance than of customers. */
export const FIT_MIN_CUSTOMERS = 30;
export const FIT_MIN_REPEAT_CUSTOMERS = 10;
/** Customers that a model is fitted to: the first by their hashes, which is a sample by chance. */
export const FIT_MAX_CUSTOMERS = 100_000;
const DAYS_A_WEEK = 7;
const DAYS_A_YEAR = 365.25;
/** Into which a horizon is divided for discounting. */
const DISCOUNT_STEPS = 12;
const DRAWS_A_CUSTOMER = 1_000;

interface Prediction {
  readonly past: CustomerPast;
  readonly history: PurchaseHistory;
  readonly spend: SpendHistory;
  readonly purchases: number;
  readonly alive: number;
  /** Minor units; undefined without a model of values. */
  readonly value: number | undefined;
}

export interface Predicted {
  readonly body: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  /** Which values are not to be relied on. */
  readonly approximate: readonly string[];
}

/**
 * What the customers are expected to do in the horizon. `end_day`: the last day that was seen.
 * Throws QueryError `not_enough_data`.
 */
export function predict(pasts: readonly CustomerPast[], end_day: number, query: LtvQuery): Predicted {
  const sample = pasts.slice(0, FIT_MAX_CUSTOMERS);
  requireEnough(sample);
  const histories = sample.map((past) => historyOf(past, end_day));
  const fit = fitBgNbd(counted(histories));
  const spends = sample.map(spendOf).filter(({ repeats, mean }) => repeats > 0 && mean > 0);
  const values = spends.length < FIT_MIN_REPEAT_CUSTOMERS ? undefined : fitGammaGamma(spends);
  // Without a finite mean nobody's next purchase has a value.
  const ofValue = values === undefined || values.parameters.q <= 1 ? undefined : values.parameters;
  const predictions = predictionsOf(pasts, end_day, fit.parameters, ofValue, query);
  const ordered = predictions.sort(comparing(query));
  const weeks = horizonMs(query.horizon) / DAY_MS / DAYS_A_WEEK;
  return {
    body: {
      ...{ model: 'predictive', horizon: query.horizon, discount_rate: query.discount_rate },
      ...{ interval: query.interval, customers_total: pasts.length },
      fit: {
        purchases: { ...fit.parameters, unit: 'week', ...fitFacts(fit), customers: sample.length },
        value:
          values === undefined
            ? null
            : { ...values.parameters, ...fitFacts(values), customers: spends.length },
      },
      totals: totalsOf(ordered),
      customers: ordered
        .slice(query.offset, query.offset + query.limit)
        .map((each) => customerOf(each, fit.parameters, ofValue, weeks, query))
        // They hold given the parameters, which the data do not tell.
        .map((each) => (fit.converged ? each : { ...each, ...NO_INTERVALS })),
    },
    approximate: fit.converged
      ? []
      : ['expected_purchases, probability_alive, expected_value: by parameters that the data do not tell'],
    warnings: warningsOf(
      pasts.length,
      sample.length,
      fit.converged,
      values?.converged,
      ofValue !== undefined,
    ),
  };
}

const NO_INTERVALS = { purchases_interval: null, value_interval: null };

function fitFacts({ log_likelihood, converged }: { log_likelihood: number; converged: boolean }) {
  return { log_likelihood, converged };
}

function requireEnough(pasts: readonly CustomerPast[]): void {
  const repeat = pasts.filter(({ days }) => days > 1).length;
  if (pasts.length >= FIT_MIN_CUSTOMERS && repeat >= FIT_MIN_REPEAT_CUSTOMERS) return;
  const message =
    `There are ${pasts.length} customers with their first order in the range, ${repeat} of whom came back on ` +
    `another day; a model needs ${FIT_MIN_CUSTOMERS} and ${FIT_MIN_REPEAT_CUSTOMERS}. Ask for a longer range, ` +
    'fewer filters, or the historical model.';
  throw new QueryError('not_enough_data', message, [{ path: 'start', message }]);
}

function historyOf({ first_day, last_day, days }: CustomerPast, end_day: number): PurchaseHistory {
  return {
    repeats: days - 1,
    last: (last_day - first_day) / DAYS_A_WEEK,
    seen: (end_day - first_day) / DAYS_A_WEEK,
  };
}

function spendOf({ days, repeat_value }: CustomerPast): SpendHistory {
  const repeats = days - 1;
  return { repeats, mean: repeats === 0 ? 0 : repeat_value / repeats };
}

const keyOf = ({ repeats, last, seen }: PurchaseHistory): string => `${repeats}/${last}/${seen}`;

function counted(histories: readonly PurchaseHistory[]): CountedHistory[] {
  const found = new Map<string, CountedHistory>();
  for (const history of histories) {
    const key = keyOf(history);
    found.set(key, { ...history, customers: (found.get(key)?.customers ?? 0) + 1 });
  }
  return [...found.values()];
}

function predictionsOf(
  pasts: readonly CustomerPast[],
  end_day: number,
  model: BgNbd,
  ofValue: GammaGamma | undefined,
  { horizon, discount_rate }: LtvQuery,
): Prediction[] {
  const weeks = horizonMs(horizon) / DAY_MS / DAYS_A_WEEK;
  const known = new Map<string, Pick<Prediction, 'purchases' | 'alive'> & { readonly discounted: number }>();
  return pasts.map((past) => {
    const history = historyOf(past, end_day);
    const key = keyOf(history);
    let of = known.get(key);
    if (of === undefined) {
      const purchases = expectedPurchases(model, history, weeks);
      const discounted =
        discount_rate === 0 ? purchases : discountedPurchases(model, history, weeks, discount_rate);
      of = { purchases, discounted, alive: probabilityAlive(model, history) };
      known.set(key, of);
    }
    const spend = positive(spendOf(past));
    const value = ofValue === undefined ? undefined : of.discounted * expectedValue(ofValue, spend);
    return { past, history, spend, purchases: of.purchases, alive: of.alive, value };
  });
}

/** A customer whose purchases were refunded as a whole says nothing of the value of a purchase. */
function positive(spend: SpendHistory): SpendHistory {
  return spend.mean > 0 ? spend : { repeats: 0, mean: 0 };
}

/** Each purchase counts what it is worth at the middle of its step of the horizon. */
function discountedPurchases(model: BgNbd, history: PurchaseHistory, weeks: number, rate: number): number {
  let [sum, before] = [0, 0];
  for (let step = 1; step <= DISCOUNT_STEPS; step++) {
    const until = expectedPurchases(model, history, (weeks * step) / DISCOUNT_STEPS);
    const years = ((weeks * (step - 0.5)) / DISCOUNT_STEPS) * (DAYS_A_WEEK / DAYS_A_YEAR);
    sum += (until - before) / (1 + rate) ** years;
    before = until;
  }
  return sum;
}

/** Equal ones in the order of their hashes, so that pages fit together. */
function comparing({ order_by }: LtvQuery): (a: Prediction, b: Prediction) => number {
  const byHash = (a: Prediction, b: Prediction): number =>
    (a.past.hi >>> 0) - (b.past.hi >>> 0) || (a.past.lo >>> 0) - (b.past.lo >>> 0);
  if (order_by === 'churn') return (a, b) => a.purchases - b.purchases || byHash(a, b);
  return (a, b) => (b.value ?? b.purchases) - (a.value ?? a.purchases) || byHash(a, b);
}

function totalsOf(predictions: readonly Prediction[]): Readonly<Record<string, number | null>> {
  let [purchases, value, alive, isValued] = [0, 0, 0, false];
  for (const each of predictions) {
    purchases += each.purchases;
    alive += each.alive;
    if (each.value === undefined) continue;
    value += each.value;
    isValued = true;
  }
  return {
    expected_purchases: purchases,
    expected_value: isValued ? Math.round(value) : null,
    expected_alive: alive,
  };
}

function customerOf(
  { past, history, spend, purchases, alive, value }: Prediction,
  model: BgNbd,
  ofValue: GammaGamma | undefined,
  weeks: number,
  { interval }: LtvQuery,
): Readonly<Record<string, unknown>> {
  const { hi, lo, places, days, first_day, last_day, value: brought } = past;
  const options = { draws: DRAWS_A_CUSTOMER, seed: hi ^ lo };
  const values = ofValue === undefined ? undefined : { model: ofValue, spend };
  const drawn = drawFuture(model, history, weeks, values, options);
  const low = (1 - interval) / 2;
  const within = (sorted: Float64Array): readonly number[] => [
    Math.round(quantileOf(sorted, low)),
    Math.round(quantileOf(sorted, 1 - low)),
  ];
  return {
    customer: { hi, lo, events: places },
    ...{ purchase_days: days, value_to_date: brought },
    ...{ first_day: dateOf(first_day), last_day: dateOf(last_day), probability_alive: alive },
    ...{ expected_purchases: purchases, purchases_interval: within(drawn.purchases) },
    expected_value: value === undefined ? null : Math.round(value),
    value_interval: value === undefined ? null : within(drawn.value),
  };
}

const dateOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

function warningsOf(
  customers: number,
  fitted: number,
  isFitted: boolean,
  areValuesFitted: boolean | undefined,
  isValued: boolean,
): string[] {
  const warnings: string[] = [];
  if (fitted < customers)
    warnings.push(`The models are fitted to ${fitted} of the ${customers} customers, taken by chance.`);
  if (!isFitted)
    warnings.push(
      'The data do not tell the parameters of BG/NBD: the likelihood has no maximum inside. Take the ranking, not ' +
        'the numbers, which have no intervals; or ask for a longer range.',
    );
  if (!isValued)
    warnings.push('No value is predicted: too few repeat purchases with a value, or no finite mean of them.');
  else if (areValuesFitted === false)
    warnings.push('The data do not tell the parameters of Gamma–Gamma: values are rough.');
  return warnings;
}
