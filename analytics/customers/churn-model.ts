import { MillraceError } from '../../engine/index.ts';
import {
  type BgNbd,
  type CountedHistory,
  expectedPurchases,
  fitBgNbd,
  probabilityAlive,
  probabilityOfPurchase,
} from './bg-nbd.ts';
import { fitLogistic, logit, predictLogistic } from './logistic.ts';
import { aucOf, type Reliability, reliabilityOf } from './probabilities.ts';
import { broughtBetween, type CustomerAt, customerAt, type PurchaseDays } from './purchase-days.ts';

export const MODEL_MIN_CUSTOMERS = 30;
export const MODEL_MIN_REPEAT_CUSTOMERS = 10;
/** Customers who bought in the tested time, and who did not: below, no logistic model is fitted. */
const CLASS_MIN_CUSTOMERS = 30;
/** Customers that models are fitted to: the first by their hashes, which is a sample by chance. */
export const MODEL_MAX_CUSTOMERS = 100_000;
const FOLDS = 5;
/** Of each coefficient, how sure the prior is that BG/NBD is right: these are tried, the surest first. */
const PRIOR_PRECISIONS = [1_000, 300, 100, 30, 10, 3, 1];
const DAYS_A_WEEK = 7;

/** All that a prediction needs. Plain data. */
export interface ChurnFit {
  readonly purchases: BgNbd & { readonly converged: boolean };
  /** null: too few customers to fit it, BG/NBD speaks alone. */
  readonly logistic: { readonly coefficients: readonly number[]; readonly mean_log_value: number } | null;
}

/** How the model did on the last days of the history, trained on what was before. */
export interface ChurnTest extends Reliability {
  /** Days that were foretold. */
  readonly days: number;
  readonly customers: number;
  /** Share who did not buy. */
  readonly churned: number;
  /** Of the model, of expected purchases alone, and of the days since the last purchase: what it has to beat. */
  readonly auc: number | null;
  readonly auc_expected_purchases: number | null;
  readonly auc_recency: number | null;
  readonly brier_bg_nbd: number;
  /** It ranks no worse than recency, and its probabilities are better than the share of all. */
  readonly beats_baseline: boolean;
}

export interface ChurnModel {
  readonly fit: ChurnFit;
  readonly test: ChurnTest | null;
  readonly customers: number;
}

interface Example {
  readonly at: CustomerAt;
  readonly hash: number;
  readonly bought: boolean;
}

/**
 * Who will not buy in the next days. BG/NBD says how probable a purchase is; a logistic model puts that right with
 * recency, frequency and money, as customers of this shop behaved in the last days of the history. Its folds are tested
 * on customers that it has not seen. Throws MillraceError `not_enough_data`.
 */
export function trainChurn(all: readonly PurchaseDays[], end_day: number, horizon_days: number): ChurnModel {
  const customers = all.slice(0, MODEL_MAX_CUSTOMERS);
  requireCustomers(customers.map((one) => customerAt(one, end_day)));
  const purchases = fitPurchases(customers, end_day);
  const tested = testedDays(customers, end_day, horizon_days);
  const cut_day = end_day - tested;
  const examples = customers.flatMap((customer): Example[] => {
    const at = customerAt(customer, cut_day);
    if (at === undefined) return [];
    const bought = broughtBetween(customer, cut_day, end_day).purchases > 0;
    return [{ at, bought, hash: customer.lo >>> 0 }];
  });
  const bought = examples.filter((example) => example.bought).length;
  if (Math.min(bought, examples.length - bought) < CLASS_MIN_CUSTOMERS) {
    return { fit: { purchases, logistic: null }, test: null, customers: customers.length };
  }
  const earlier = fitPurchases(customers, cut_day);
  const mean_log_value = meanOf(examples.map(({ at }) => logValue(at)));
  const weeks = tested / DAYS_A_WEEK;
  const rows = examples.map(({ at }) => featuresOf(earlier, at, weeks, mean_log_value));
  const { precision, churned } = chosenPrecision(rows, examples);
  const coefficients = fitRows(rows, examples, precision);
  const test = testOf(examples, churned, { model: earlier, weeks, days: tested });
  return {
    fit: { purchases, logistic: { coefficients, mean_log_value } },
    test,
    customers: customers.length,
  };
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const logValue = ({ mean }: CustomerAt): number => Math.log1p(Math.max(mean, 0));

/** Throws MillraceError `not_enough_data`. */
export function requireCustomers(customers: readonly (CustomerAt | undefined)[]): void {
  const seen = customers.filter((customer) => customer !== undefined);
  const repeat = seen.filter(({ history }) => history.repeats > 0).length;
  if (seen.length >= MODEL_MIN_CUSTOMERS && repeat >= MODEL_MIN_REPEAT_CUSTOMERS) return;
  throw new MillraceError(
    'not_enough_data',
    `There are ${seen.length} customers with their first order in the range, ${repeat} of whom came back on another ` +
      `day; a model needs ${MODEL_MIN_CUSTOMERS} and ${MODEL_MIN_REPEAT_CUSTOMERS}. Take a longer range or fewer filters.`,
  );
}

/** The horizon, or half of the history where that is shorter. */
export function testedDays(
  customers: readonly PurchaseDays[],
  end_day: number,
  horizon_days: number,
): number {
  const first = customers.reduce((least, { days }) => Math.min(least, days[0] ?? end_day), end_day);
  return Math.max(1, Math.min(horizon_days, Math.round((end_day - first) / 2)));
}

/** BG/NBD of customers as they were at the end of a day. */
export function fitPurchases(customers: readonly PurchaseDays[], end_day: number): ChurnFit['purchases'] {
  const counted = new Map<string, CountedHistory>();
  for (const customer of customers) {
    const history = customerAt(customer, end_day)?.history;
    if (history === undefined) continue;
    const key = `${history.repeats}/${history.last}/${history.seen}`;
    counted.set(key, { ...history, customers: (counted.get(key)?.customers ?? 0) + 1 });
  }
  const { parameters, converged } = fitBgNbd([...counted.values()]);
  return { ...parameters, converged };
}

/** What the logistic model is told: BG/NBD's log-odds first, then frequency, recency and money. */
function featuresOf(model: BgNbd, at: CustomerAt, weeks: number, mean_log_value: number): readonly number[] {
  const { history } = at;
  const again = Math.log1p(history.repeats);
  const idle = Math.max(history.seen - history.last, 0);
  return [
    ...[1, logit(probabilityOfPurchase(model, history, weeks)), Math.min(1, again), again],
    ...[Math.log1p(idle / weeks), logValue(at) - mean_log_value],
  ];
}

/** That of who believes BG/NBD. */
const PRIOR = [0, 1, 0, 0, 0, 0];

type Rows = readonly (readonly number[])[];

const fitRows = (rows: Rows, examples: readonly Example[], precision: number): readonly number[] =>
  fitLogistic(
    rows,
    examples.map(({ bought }) => bought),
    PRIOR,
    precision,
  );

interface Chosen {
  readonly precision: number;
  /** Of each example, by a model that has not seen it: that it does not buy. */
  readonly churned: readonly number[];
}

/**
 * How sure the prior is to be, by cross-validation: of those whose loss is within a standard error of the least, the
 * surest (Breiman et al., Classification and Regression Trees, 1984).
 */
function chosenPrecision(rows: Rows, examples: readonly Example[]): Chosen {
  const tried = PRIOR_PRECISIONS.map((precision) => {
    const churned = heldOut(rows, examples, precision);
    return { precision, churned, losses: churned.map((share, at) => lossOf(share, examples[at] as Example)) };
  });
  const best = tried.reduce((least, one) => (meanOf(one.losses) < meanOf(least.losses) ? one : least));
  const found = tried.find(({ losses }) => {
    const more = losses.map((loss, at) => loss - (best.losses[at] as number));
    return meanOf(more) <= standardErrorOf(more);
  });
  return found ?? best;
}

/** What folds say of customers that they have not seen. */
function heldOut(rows: Rows, examples: readonly Example[], precision: number): readonly number[] {
  const churned = new Array<number>(examples.length).fill(0);
  for (let fold = 0; fold < FOLDS; fold++) {
    const others = examples.flatMap(({ hash }, at) => (hash % FOLDS === fold ? [] : [at]));
    const coefficients = fitRows(
      others.map((at) => rows[at] as readonly number[]),
      others.map((at) => examples[at] as Example),
      precision,
    );
    for (const [at, { hash }] of examples.entries()) {
      if (hash % FOLDS === fold)
        churned[at] = 1 - predictLogistic(coefficients, rows[at] as readonly number[]);
    }
  }
  return churned;
}

/** The negative log likelihood. */
function lossOf(churned: number, { bought }: Example): number {
  return -Math.log(Math.max(bought ? 1 - churned : churned, Number.MIN_VALUE));
}

function standardErrorOf(values: readonly number[]): number {
  const mean = meanOf(values);
  const square = meanOf(values.map((value) => (value - mean) ** 2));
  return Math.sqrt(square / values.length);
}

function testOf(
  examples: readonly Example[],
  churned: readonly number[],
  { model, weeks, days }: { readonly model: BgNbd; readonly weeks: number; readonly days: number },
): ChurnTest {
  const happened = examples.map(({ bought }) => !bought);
  const reliability = reliabilityOf(churned, happened);
  const alone = examples.map(({ at }) => 1 - probabilityOfPurchase(model, at.history, weeks));
  const auc = aucOf(churned, happened);
  const auc_recency = aucOf(
    examples.map(({ at }) => at.history.seen - at.history.last),
    happened,
  );
  return {
    ...{ ...reliability, days, customers: examples.length, auc, auc_recency },
    churned: happened.filter((one) => one).length / happened.length,
    auc_expected_purchases: aucOf(
      examples.map(({ at }) => -expectedPurchases(model, at.history, weeks)),
      happened,
    ),
    brier_bg_nbd: reliabilityOf(alone, happened).brier,
    beats_baseline: (auc ?? 0) >= (auc_recency ?? 0) && reliability.brier < reliability.brier_base,
  };
}

/** What a model says of one customer. */
export interface ChurnScore {
  readonly probability_of_churn: number;
  readonly expected_purchases: number;
  readonly probability_alive: number;
}

export function scoreChurn(
  { purchases, logistic }: ChurnFit,
  at: CustomerAt,
  horizon_days: number,
): ChurnScore {
  const weeks = horizon_days / DAYS_A_WEEK;
  const buys =
    logistic === null
      ? probabilityOfPurchase(purchases, at.history, weeks)
      : predictLogistic(logistic.coefficients, featuresOf(purchases, at, weeks, logistic.mean_log_value));
  return {
    probability_of_churn: 1 - buys,
    expected_purchases: expectedPurchases(purchases, at.history, weeks),
    probability_alive: probabilityAlive(purchases, at.history),
  };
}
