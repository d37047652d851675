import { CONTRIBUTIONS, type Contribution, MARK, type Measure, NUMBER } from '../rows/index.ts';

/**
 * How a row counts for a measure (`CONTRIBUTIONS`), in the terms of a scan. What a row that has the mark adds, times
 * its sign:
 * - `count`: 1.
 * - `amount`: a number column; none counts 0.
 * - `units`: the quantities of its items.
 * - `observed`: 1 where the number column has a value.
 */
export type MeasureKind = 'count' | 'amount' | 'units' | 'observed';

export interface MeasureRule {
  /** Bit of the mark that a row must have. */
  readonly mark: number;
  readonly kind: MeasureKind;
  /** Index of the number column; -1 for `count` and `units`. */
  readonly column: number;
  /** What a group of a row's items takes of it. */
  readonly byItems: Contribution['byItems'];
}

/** A rule with its place among the columns of sums, or among the multisets of amounts. */
export interface PlacedRule extends MeasureRule {
  readonly at: number;
}

/** Distinct ids of the rows with the mark; none is none. */
export interface MemberRule {
  readonly mark: number;
  /** Index of the column of hashes. */
  readonly column: number;
  /** Place among the sets of members. */
  readonly at: number;
}

/** Instead of a mark: every row that the scan takes. */
export const EVERY_ROW = -1;

/** A measure of a metric that a tenant defined; its number is its place in the query. */
export type OwnMeasure = `own:${number}` | `own_money:${number}`;

const RULES: ReadonlyMap<Measure, MeasureRule> = new Map(
  CONTRIBUTIONS.map(({ mark, measure, source, byItems }) => {
    const kind = source === 'one' ? 'count' : source === 'units' ? 'units' : 'amount';
    const column = source === 'one' || source === 'units' ? -1 : NUMBER[source];
    return [measure, { mark: MARK[mark], kind, column, byItems }];
  }),
);

/** Money whose single amounts can be aggregated otherwise than by their sum. */
export type Distribution =
  | 'revenue_gross'
  | 'revenue_paid'
  | 'refund'
  | 'discount'
  | 'shipping'
  | 'tax'
  | 'revenue_cancelled'
  | OwnMeasure;

export function ruleOf(measure: Measure): MeasureRule {
  const rule = RULES.get(measure);
  if (rule === undefined) throw new Error(`no row counts for ${measure}`);
  return rule;
}

/** How many rows have the amount of a rule. */
export function observed(rule: MeasureRule): MeasureRule {
  return { ...rule, kind: 'observed' };
}
