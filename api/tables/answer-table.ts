import type { AnswerTable, Cell, Column, ColumnType } from '../../runtime/index.ts';
import { majorUnits } from './cell.ts';

type Json = Readonly<Record<string, unknown>>;

/** How an answer of a family becomes a table; the columns of its groups (`key`) come before the others. */
interface TableSpec {
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** The records of the answer: a row each; `key` has the values of its groups. */
  rows(answer: Json): Iterable<Json>;
}

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value : []);
const record = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});

/** Each member of `of` with each of its inner records. */
function* nested(of: unknown, inner: string): Generator<Json> {
  for (const outer of list(of)) for (const one of list(outer[inner])) yield { ...outer, ...one };
}

const CREDIT = {
  ...{ conversions: 'number', revenue: 'money', share: 'number', new_customers: 'number' },
  ...{ spend: 'money', roi: 'number', roas: 'number', cac: 'money' },
} as const satisfies Record<string, ColumnType>;

const CREDITED: TableSpec = { columns: CREDIT, rows: (answer) => list(answer.results) };

const FUNNEL: TableSpec = {
  columns: {
    ...{ step: 'integer', name: 'text', event: 'text', count: 'integer' },
    ...{ conversion_from_prev: 'number', conversion_from_first: 'number' },
    ...{ in_progress: 'integer', dropped: 'integer' },
  },
  *rows(answer) {
    for (const group of Array.isArray(answer.groups) ? list(answer.groups) : [answer]) {
      for (const [at, step] of list(group.steps).entries()) yield { key: group.key, step: at + 1, ...step };
    }
  },
};

const RETENTION: TableSpec = {
  columns: {
    ...{ cohort: 'time', size: 'integer', period: 'integer' },
    ...{ returned: 'integer', retention: 'number', incomplete: 'boolean' },
  },
  rows: ({ cohorts }) => nested(cohorts, 'periods'),
};

const LTV_COHORTS: TableSpec = {
  columns: {
    ...{ cohort: 'time', size: 'integer', age: 'integer' },
    ...{ revenue: 'money', cumulative: 'money', ltv: 'money', incomplete: 'boolean' },
  },
  rows: ({ cohorts }) => nested(cohorts, 'ages'),
};

const LTV_CUSTOMERS: TableSpec = {
  columns: {
    ...{ customer_id: 'text', purchase_days: 'integer', value_to_date: 'money' },
    ...{ first_day: 'time', last_day: 'time', probability_alive: 'number' },
    ...{ expected_purchases: 'number', expected_value: 'money' },
  },
  rows: ({ customers }) => list(customers),
};

const RFM: TableSpec = {
  columns: {
    ...{ customer_id: 'text', r: 'integer', f: 'integer', m: 'integer', score: 'text', segment: 'text' },
    ...{ recency_days: 'integer', frequency: 'integer', monetary: 'money' },
    ...{ first_order: 'time', last_order: 'time' },
  },
  rows: ({ customers }) => list(customers),
};

const COMPARED: TableSpec = {
  columns: { method: 'text', ...CREDIT },
  *rows(answer) {
    for (const { key, spend, methods } of list(answer.results)) {
      for (const [method, credit] of Object.entries(record(methods))) {
        yield { key, spend, method, ...record(credit) };
      }
    }
  },
};

const RATES = {
  ...{ orders: 'integer', units_sold: 'integer', returns: 'integer', units_returned: 'integer' },
  ...{ orders_returned: 'integer', unit_return_rate: 'number', order_return_rate: 'number' },
} as const satisfies Record<string, ColumnType>;

const RETURNS: TableSpec = { columns: { sku: 'text', ...RATES }, rows: ({ skus }) => list(skus) };

const REFUNDS: TableSpec = {
  columns: {
    ...{ dimension: 'text', value: 'text', orders: 'integer', gross: 'money', discount: 'money' },
    ...{ refund_events: 'integer', refunds: 'money', net: 'money', refund_rate: 'number' },
    ...{ share_of_refunds: 'number', contribution: 'number' },
  },
  *rows(answer) {
    for (const [dimension, driver] of Object.entries(record(answer.drivers))) {
      for (const value of list(record(driver).values)) yield { dimension, ...value };
    }
  },
};

const OUTCOMES: TableSpec = {
  columns: {
    ...{ status: 'text', orders: 'integer', shipped: 'integer', delivered: 'integer' },
    ...{ cancelled: 'integer', rto: 'integer', gross: 'money', discount: 'money' },
    ...{ delivery_rate: 'number', cancellation_rate: 'number', rto_rate: 'number' },
  },
  rows: ({ groups, statuses }) => list(groups ?? statuses),
};

const FRAUD: TableSpec = {
  columns: {
    ...{ time: 'time', fraud_flags: 'integer', fraud_amount: 'money', chargebacks: 'integer' },
    ...{ chargeback_amount: 'money', chargeback_rate: 'number', orders_paid: 'integer' },
    ...{ revenue_paid: 'money', incomplete: 'boolean' },
  },
  rows: ({ groups }) => nested(groups, 'buckets'),
};

const SPECS = {
  ...{ funnel: FUNNEL, stored_funnel: FUNNEL, retention: RETENTION, cohort_retention: RETENTION },
  ...{ rfm: RFM, attribution: CREDITED, roi: CREDITED, multi_touch: CREDITED },
  ...{ attribution_comparison: COMPARED, returns: RETURNS, refunds: REFUNDS, fraud: FRAUD },
  order_outcomes: OUTCOMES,
} as const;
/** Families of answers with one currency at most; `kpis` and `events` have tables of their own. */
export type TableFamily = keyof typeof SPECS | 'ltv';

const specOf = (family: TableFamily, answer: Json): TableSpec => {
  if (family !== 'ltv') return SPECS[family];
  return answer.model === 'predictive' ? LTV_CUSTOMERS : LTV_COHORTS;
};

/** The columns of an answer's table: its groups, the family's own, and the currency where there is money. */
function tableColumns(family: TableFamily, answer: Json, groupBy: readonly string[]): readonly Column[] {
  const { columns } = specOf(family, answer);
  const own = Object.entries(columns).map(([name, type]): Column => ({ name, type }));
  const groups = groupBy.map((name): Column => ({ name, type: 'text' }));
  const hasMoney = own.some(({ type }) => type === 'money');
  return [...groups, ...own, ...(hasMoney ? [{ name: 'currency', type: 'text' } as const] : [])];
}

/**
 * An answer of a family as rows, money as decimals of the major unit with its currency in a column of its own.
 * `groupBy` are the dimensions that the query names, in their order.
 */
export function answerTable(family: TableFamily, answer: Json, groupBy: readonly string[]): AnswerTable {
  const columns = tableColumns(family, answer, groupBy);
  const currency = typeof answer.currency === 'string' ? answer.currency : '';
  const groups = new Set(groupBy);
  const rows = function* (): Generator<readonly Cell[]> {
    for (const row of specOf(family, answer).rows(answer)) {
      const key = record(row.key);
      yield columns.map(({ name, type }, at) => {
        if (at < groups.size) return cellOf(key[name], 'text', currency);
        if (name === 'currency' && type === 'text') return currency === '' ? null : currency;
        return cellOf(row[name], type, currency);
      });
    }
  };
  return { columns, rows: rows() };
}

function cellOf(value: unknown, type: ColumnType, currency: string): Cell {
  if (type === 'boolean') return value === true;
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' || typeof value === 'bigint') {
    return type === 'money' ? majorUnits(value, currency) : { number: String(value) };
  }
  return typeof value === 'string' ? value : { json: JSON.stringify(value) };
}
